import { UserError } from '../errors.ts';

/** Fetches a file from the page's folder. Throws a UserError where it is not there. */
export async function fetched(file: string, method = 'GET'): Promise<Response> {
  const response = await fetch(file, { method }).catch(() => undefined);
  if (response?.ok) return response;
  const reason = response ? `the server answered ${response.status}` : 'the server did not answer';
  throw new UserError(
    `${file}: ${reason}; it belongs beside index.html: serve the folder as it was exported`,
  );
}

/** A subject in a page of its own: see page.ts for its other end. */
import type { Browser, Page } from 'playwright-core';
import type { Tensors } from '../compare.ts';
import type { Job } from '../protocol.ts';

export interface PageSubject {
  /** Milliseconds of a run. */
  time(): Promise<number>;
  results(): Promise<Tensors>;
  close(): Promise<void>;
}

export interface PageWork {
  readonly module: string;
  readonly variant: string;
  /** Its files are addresses. */
  readonly job: Job;
  /** Milliseconds that it has to load, and to give results. */
  readonly limit: number;
}

/** Loads a module's work into a page of `origin`. */
export async function openSubject(
  browser: Browser,
  origin: string,
  { module, variant, job, limit }: PageWork,
): Promise<PageSubject> {
  const page = await browser.newPage();
  try {
    // Some libraries take a thread for every core. So they take as many as the job says.
    await page.addInitScript(
      `Object.defineProperty(navigator, 'hardwareConcurrency', { value: ${job.threads} })`,
    );
    await page.goto(origin);
    await page.waitForFunction(() => window.subject !== undefined);
    await within(
      limit,
      page,
      page.evaluate(([from, work, how]) => window.subject.load(from, work, how), [
        `./${module}`,
        job,
        variant,
      ] as const),
    );
  } catch (error) {
    await page.close();
    throw shortened(error);
  }
  return {
    time: () => page.evaluate(() => window.subject.time()),
    async results() {
      const results = page.evaluate(() => window.subject.results());
      const tensors = await within(limit, page, results).catch((error: unknown) => {
        throw shortened(error);
      });
      return new Map(tensors.map(({ name, data }) => [name, data]));
    },
    close: () => page.close(),
  };
}

/** Waits at most `limit`. A page that takes longer is closed, which ends its work. */
async function within<T>(limit: number, page: Page, work: Promise<T>): Promise<T> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    void page.close();
  }, limit);
  try {
    return await work;
  } catch (error) {
    throw isLate ? new Error(`not done after ${Math.round(limit / 1000)} s`) : error;
  } finally {
    clearTimeout(timer);
  }
}

/** The page's own error, without the prefix that playwright adds. */
function shortened(error: unknown): unknown {
  return error instanceof Error ? new Error(error.message.replace(/^page\.\w+: (Error: )?/, '')) : error;
}

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
    // Libraries that take a thread for every core take as many as the others.
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

/** A page that takes longer is closed, which ends what it does. */
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

/** What the page said, without where playwright was when it heard it. */
function shortened(error: unknown): unknown {
  return error instanceof Error ? new Error(error.message.replace(/^page\.\w+: (Error: )?/, '')) : error;
}

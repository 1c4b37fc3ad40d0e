/** A study's report as its reader opens it. */
import { pathToFileURL } from 'node:url';
import registerTest from 'ava';
import { startBrowser } from '../../../scripts/web/browser.ts';
import { writeStudyReport } from '../../../src/report/study/write.node.ts';
import { temporaryFolder } from '../../storage/_records.ts';
import { hasBrowser } from '../../web/_browser.ts';
import { wholeStudy } from './_study.ts';

const test = hasBrowser ? registerTest : registerTest.skip;

test('the page of a whole study opens from disk without a request, and fits a screen, a phone and paper', async (t) => {
  const { report } = await writeStudyReport(temporaryFolder(t), wholeStudy());
  const browser = await startBrowser();
  t.teardown(() => browser.close());
  const page = await browser.newPage();
  const asked: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => errors.push(message.text()));
  const address = pathToFileURL(report).href;
  for (const [width, media] of [
    [1200, 'screen'],
    [390, 'screen'],
    [720, 'print'],
  ] as const) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ media });
    await page.goto(address);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    t.true(overflow <= 0, `${width} px, ${media}: ${overflow} px too wide`);
  }
  t.deepEqual([...new Set(asked)], [address]);
  t.deepEqual(errors, []);
  const headings = await page.locator('h2').allTextContents();
  for (const heading of ['claims', 'Test error', 'Gradient statistics', 'Scale'])
    t.true(
      headings.some((text) => text.includes(heading)),
      `${heading} in ${headings.join('; ')}`,
    );
  t.true((await page.locator('figure svg path').count()) > 50);

  // On a phone a wide table scrolls under its first column.
  await page.setViewportSize({ width: 390, height: 900 });
  await page.emulateMedia({ media: 'screen' });
  for (const selector of ['#errors', '#stability', '#configuration details:last-child']) {
    const scroller = page.locator(`${selector} .scroll`).first();
    const cells = scroller.locator('tbody tr:last-child td');
    const lefts = async () => [(await cells.nth(0).boundingBox())?.x, (await cells.nth(1).boundingBox())?.x];
    const [first, second = 0] = await lefts();
    await scroller.evaluate((element) => {
      element.scrollLeft = 100;
    });
    t.deepEqual(await lefts(), [first, second - 100], selector);
  }
});

/** Tests in a browser are skipped where there is none, and it is said. */
import { BROWSER_WANTED, hasBrowser, startBrowser } from '../../scripts/web/browser.ts';

if (!hasBrowser) console.log(`No Chromium here: the tests in a browser are skipped; ${BROWSER_WANTED}.`);

export { hasBrowser, startBrowser };

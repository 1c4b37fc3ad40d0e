/** The Chromium of this machine, if it has one. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = [
  process.env.CHROMIUM ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

const executablePath = PLACES.find((place) => place !== '' && existsSync(place));

export const hasBrowser = executablePath !== undefined;

/** What to do if there is none. */
export const BROWSER_WANTED = 'install one (apt-get install chromium), or name one in CHROMIUM';

export function startBrowser(): Promise<Browser> {
  // Chromium's sandbox does not run as root, as in a container.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  // Without a GPU, WebGPU runs in software: it is slow, but gives the same numbers.
  const args = [...sandbox, '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
  return chromium.launch({ executablePath: executablePath ?? '', args });
}

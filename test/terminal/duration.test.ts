import test from 'ava';
import { formatDuration } from '../../src/terminal/duration.ts';

test('two units at most, the second padded', (t) => {
  const cases = {
    0: '0s',
    59.4: '59s',
    59.6: '1m 00s',
    125: '2m 05s',
    3599: '59m 59s',
    12000: '3h 20m',
    187200: '2d 04h',
  };
  for (const [seconds, text] of Object.entries(cases)) t.is(formatDuration(Number(seconds)), text);
});

import test from 'ava';
import { mismatch, nearestName, printable, show, UserError } from '../src/errors.ts';

test('text from outside becomes one line that cannot steer a terminal', (t) => {
  t.is(
    printable('cat\x1b[31m\nerror: \r\x07\x7f\x9b2J\u2028'),
    'cat\\u001b[31m\\nerror: \\u000d\\u0007\\u007f\\u009b2J\\u2028',
  );
  t.is(printable('gpj\u202eexe'), 'gpj\\u202eexe');
  t.is(printable('naïve λ 猫 👩‍🔬'), 'naïve λ 猫 👩‍🔬');
});

test('what is long is cut in the middle, and how much is said', (t) => {
  t.is(printable('a'.repeat(100), 100), 'a'.repeat(100));
  t.is(printable(`${'a'.repeat(1500)}end`, 40), `${'a'.repeat(9)} … 1,491 characters … end`);
  t.is(show('x'.repeat(5000)), `"${'x'.repeat(38)} … 4,950 characters … ${'x'.repeat(12)}"`);
});

test('an error that a user sees is printable whatever went into it, however often it is passed on', (t) => {
  const { message } = new UserError(`--data ${'\x1b[2J'}: class ${'y'.repeat(1e6)}; rename it`);
  t.regex(message, /^--data \\u001b\[2J: class y+ … 99\d,\d{3} characters … y+; rename it$/);
  t.is(new UserError(message).message, message);
});

test("a schema's complaint quotes a value as any other error does", (t) => {
  const input = `"${'z'.repeat(1000)}\x1b`;
  const found = mismatch({ expected: 'number', input, message: `Invalid type: Received ${input}` });
  t.regex(found, /^expected number, got "\\"z+ … 9\d\d characters … z+\\u001b"$/);
});

test('a name of a megabyte is near no other', (t) => {
  t.is(nearestName('a'.repeat(1e6), ['a'.repeat(1e6)]), undefined);
});

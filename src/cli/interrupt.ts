/**
 * The first Ctrl-C, or SIGTERM, asks a program to stop; the second ends it at once. Returns what lets go of both signals;
 * call it in a `finally`.
 */
export function onInterrupt(stop: () => void): () => void {
  let isStopping = false;
  const interrupt = (): void => {
    if (isStopping) process.exit(130);
    isStopping = true;
    stop();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return () => {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  };
}

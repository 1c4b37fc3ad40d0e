/**
 * The first Ctrl-C or SIGTERM calls `stop`; the second ends the process at once. Returns a function that stops listening
 * to both signals; call it in a `finally`.
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

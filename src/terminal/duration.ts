/** A duration in seconds for people, two units at most: `8s`, `2m 05s`, `3h 20m`, `2d 04h`. */
export function formatDuration(seconds: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, '0');
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h ${two((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86_400)}d ${two((s % 86_400) / 3600)}h`;
}

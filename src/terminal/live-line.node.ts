import cliProgress from 'cli-progress';

/** A line at the bottom of a terminal that a program redraws. */
export interface LiveLine {
  /** Prints a line of its own, above. */
  note(text: string): void;
  /** Gives the terminal back; call it in a `finally`. */
  stop(): void;
}

export function openLiveLine(stream: NodeJS.WritableStream, draw: () => string): LiveLine {
  let terminal: cliProgress.SingleBar | undefined = new cliProgress.SingleBar({
    stream,
    format: draw,
    fps: 8,
    forceRedraw: true,
    // The program handles Ctrl-C itself, and then calls stop().
    gracefulExit: false,
  });
  terminal.start(1, 0);
  return {
    note(text) {
      // The line is overwritten and drawn again below it. ESC 7: cli-progress goes back to the cursor position saved
      // when it stops, which has to move down with the line.
      stream.write(terminal ? `\r\x1b[2K${text}\n\x1b7` : `${text}\n`);
      terminal?.render();
    },
    stop() {
      terminal?.stop();
      terminal = undefined;
    },
  };
}

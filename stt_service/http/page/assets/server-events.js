// @ts-check
/** Server-sent events over fetch: unlike EventSource, a request can have headers, which no log contains. */

const MAX_BLOCK_CHARACTERS = 1_000_000; // of an event that is not complete

/**
 * Yield the fields of each event of a response, until the connection ends, or nothing is received for a time: a connection
 * to a server that lost its power or its network does not end by itself.
 * @param {(signal: AbortSignal) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>} open sends the request; the signal
 *   ends it
 * @param {number} silenceMs until the response, and between two parts of it; heartbeats are parts, too
 * @returns {AsyncGenerator<Map<string, string>>}
 */
export async function* serverEvents(open, silenceMs) {
  const silence = new AbortController();
  let timer = 0;
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), silenceMs);
  };
  restart();
  let reader;
  let text = "";
  try {
    reader = (await open(silence.signal)).pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      restart();
      text += part.value;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      if (text.length > MAX_BLOCK_CHARACTERS) throw new RangeError("The server sent too long an event.");
      for (const block of blocks) yield fieldsOf(block);
    }
  } finally {
    clearTimeout(timer);
    reader?.cancel().catch(() => {});
  }
}

/** @param {string} block */
function fieldsOf(block) {
  const lines = block.split("\n").filter((line) => line && !line.startsWith(":"));
  return new Map(lines.map((line) => [line.split(":", 1)[0], line.replace(/^[^:]*:? ?/, "")]));
}

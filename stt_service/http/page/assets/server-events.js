// @ts-check
/** Server-sent events over fetch: unlike EventSource, a request can have headers, which no log contains. */

const MAX_BLOCK_CHARACTERS = 1_000_000; // of an event that is not complete

/**
 * Yield the fields of each event of a response, until the connection ends or is aborted.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {() => void} onInput something was received, maybe a heartbeat
 * @returns {AsyncGenerator<Map<string, string>>}
 */
export async function* serverEvents(body, onInput = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      onInput();
      text += part.value;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      if (text.length > MAX_BLOCK_CHARACTERS) throw new RangeError("The server sent too long an event.");
      for (const block of blocks) yield fieldsOf(block);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {string} block */
function fieldsOf(block) {
  const lines = block.split("\n").filter((line) => line && !line.startsWith(":"));
  return new Map(lines.map((line) => [line.split(":", 1)[0], line.replace(/^[^:]*:? ?/, "")]));
}

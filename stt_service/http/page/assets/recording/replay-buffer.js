/**
 * The uncommitted audio and commands of a dictation, to be sent again when its stream fails: the rules of
 * stt_client/recovery/replay_buffer.py. Each stream reads at its own cursor; `commit` drops commands and releases audio
 * that the server has committed, except the left context.
 */

import { leftContextStartMs } from "./audio-format.js";

const MAX_CHUNK_MS = 500; // audio per message: 192 kB at the highest rate, of the 1 MiB that the server accepts

/**
 * @typedef {{position: number, command: number}} Cursor position in bytes, and number of the next command
 * @typedef {{update: object} | {finalize: object}} Command
 */

export class ReplayBuffer {
  /**
   * @param {import("./audio-format.js").AudioFormat} format
   * @param {import("./tape.js").Tape} tape
   * @param {{settings: object, commands: {position: number, command: Command}[], committedMs: number}} state
   */
  constructor(format, tape, { settings, commands, committedMs }) {
    this._format = format;
    this._tape = tape;
    this._chunkBytes = format.bytesOf(MAX_CHUNK_MS);
    this._settings = settings;
    this._commands = commands;
    this._firstCommand = 0;
    this._committedMs = committedMs;
    tape.release(this.start.position);
  }

  /** The settings that apply where the buffered audio starts. */
  get settings() {
    return this._settings;
  }

  get commands() {
    return this._commands;
  }

  /** Milliseconds of uncommitted audio. */
  get durationMs() {
    return Math.round(this._format.msOf(this._tape.end - this._committedBytes));
  }

  get leftContextMs() {
    return this._committedMs - leftContextStartMs(this._committedMs);
  }

  /** @returns {Cursor} */
  get start() {
    const position = this._format.bytesOf(leftContextStartMs(this._committedMs));
    return { position: Math.min(position, this._tape.end), command: this._firstCommand };
  }

  get _committedBytes() {
    return Math.min(this._format.bytesOf(this._committedMs), this._tape.end);
  }

  /** @param {Command} command takes effect at the end of the audio so far */
  appendCommand(command) {
    this._commands = [...this._commands, { position: this._tape.end, command }];
  }

  /** Use other settings for everything in the buffer. No stream may be reading. @param {object} settings */
  replaceSettings(settings) {
    this._settings = settings;
    this._commands = this._commands.filter(({ command }) => !command.update);
  }

  /**
   * Return the item at the cursor and the cursor after it; null at the end of the buffer.
   * @param {Cursor} cursor
   * @returns {Promise<{item: Uint8Array | Command, cursor: Cursor} | null>}
   */
  async read({ position, command }) {
    const next = this._commands[command - this._firstCommand];
    if (next && next.position <= position) return { item: next.command, cursor: { position, command: command + 1 } };
    const end = next ? next.position : this._tape.end;
    const audio = await this._tape.read(position, Math.min(end - position, this._chunkBytes));
    return audio.length ? { item: audio, cursor: { position: position + audio.length, command } } : null;
  }

  /** @param {Cursor} cursor @returns {boolean} whether there is nothing to read */
  isAtEnd({ position, command }) {
    return position >= this._tape.end && command >= this._firstCommand + this._commands.length;
  }

  /** Release everything before the position; settings changed before it stay in effect. @param {number} committedMs */
  commit(committedMs) {
    this._committedMs = committedMs;
    this._tape.release(this.start.position);
    const open = this._commands.findIndex(({ position }) => position >= this._committedBytes);
    const committed = open < 0 ? this._commands : this._commands.slice(0, open);
    this._commands = this._commands.slice(committed.length);
    this._firstCommand += committed.length;
    for (const { command } of committed) {
      if (command.update) this._settings = { ...this._settings, ...setFields(command.update) };
    }
  }
}

/** Return the fields of an update that change a setting: an unset field or an empty list leaves it as it is. */
function setFields(update) {
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value != null && value.length !== 0));
}

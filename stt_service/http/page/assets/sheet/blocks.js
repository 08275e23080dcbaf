// @ts-check
/**
 * The nodes of one block: text nodes, partials between them, and a <br> that holds the caret.
 *
 * A line can be a whole dictation of hours. Its text is in nodes of about CHUNK_CHARACTERS, and a change touches only
 * the nodes where it is. A <wbr> between two nodes makes the browser shape them separately, so that a change in 200 kB
 * costs about a fifth of the time. It permits a row to end there, so that it is only used after a space.
 *
 * @typedef {import("./dictated-text.js").Preedit} Preedit
 * @typedef {Readonly<{start: number, removed: number, inserted: string}>} Edit  of the text of a block; `removed`: characters
 */

const CHUNK_CHARACTERS = 1000;
const MAX_CHUNK_CHARACTERS = 2000; // a longer node is split
const SPLIT_WINDOW_CHARACTERS = 100; // in which a node is preferably split after a space
const BEGINS_RIGHT_TO_LEFT = /^\P{L}*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/u;

/**
 * Make the block show the text with the partials; return whether text nodes were removed, so that ranges are invalid.
 * @param {HTMLElement} block
 * @param {string} text
 * @param {Preedit[]} preedits in their order
 * @param {Edit[] | null} edits since the block was rendered; null if they are not known
 */
export function renderBlock(block, text, preedits, edits = null) {
  block.querySelector(":scope > br")?.remove();
  const isReplaced = changeText(block, text, edits);
  const isMerged = !updatePartials(block, preedits) && replacePartials(block, preedits);
  separate(block);
  const isEmptied = removeEmptyNodes(block);
  if (!(block.lastChild instanceof Text)) block.append(document.createElement("br"));
  block.dir = BEGINS_RIGHT_TO_LEFT.test(text) ? "rtl" : "ltr"; // `unicode-bidi: plaintext` makes long lines slow
  return isMerged || isReplaced || isEmptied;
}

/**
 * Remove text nodes without text, which hold neither the height of a line nor the caret; return whether there were any.
 * @param {HTMLElement} block
 */
function removeEmptyNodes(block) {
  const empty = textNodes(block).filter((node) => !node.length);
  for (const node of empty) node.remove();
  return empty.length > 0;
}

/** @param {Node} node */
export const isPartial = (node) => node instanceof HTMLElement && node.classList.contains("partial");

/** @param {string} text */
function partialElement(text) {
  const element = document.createElement("span");
  element.className = "partial";
  element.contentEditable = "false";
  element.textContent = text;
  return element;
}

/**
 * Change the text of the partials, if they are at their places; return whether they are.
 * @param {HTMLElement} block
 * @param {Preedit[]} preedits
 */
function updatePartials(block, preedits) {
  let offset = 0;
  const shown = [];
  for (const child of block.childNodes) {
    if (child instanceof Text) offset += child.length;
    else if (isPartial(child)) shown.push({ child, offset });
  }
  const arePlaced =
    shown.length === preedits.length && shown.every((each, index) => each.offset === preedits[index].at.offset);
  if (!arePlaced) return false;
  shown.forEach(({ child }, index) => {
    if (child.textContent !== preedits[index].text) child.textContent = preedits[index].text;
  });
  return true;
}

/**
 * Remove all partials, join the nodes that they have split, and insert the others; return whether nodes were joined.
 * @param {HTMLElement} block
 * @param {Preedit[]} preedits
 */
function replacePartials(block, preedits) {
  let isMerged = false;
  for (const partial of block.querySelectorAll(":scope > .partial")) {
    const { previousSibling: before, nextSibling: after } = partial;
    partial.remove();
    if (!(before instanceof Text) || !(after instanceof Text)) continue;
    if (before.length + after.length > MAX_CHUNK_CHARACTERS) continue;
    before.appendData(after.data);
    after.remove();
    isMerged = true;
  }
  for (const { at, text } of [...preedits].reverse()) insertAt(block, at.offset, partialElement(text));
  return isMerged;
}

/**
 * Put a <wbr> between text nodes, and remove the others.
 * @param {HTMLElement} block
 */
function separate(block) {
  for (const separator of block.querySelectorAll(":scope > wbr")) {
    const { previousSibling: before, nextSibling: after } = separator;
    if (!(before instanceof Text) || !(after instanceof Text) || !endsWithSpace(before)) separator.remove();
  }
  for (const node of textNodes(block)) {
    if (node.nextSibling instanceof Text && endsWithSpace(node)) node.after(document.createElement("wbr"));
  }
}

/**
 * Make the text nodes have the text; return whether nodes were removed. Known edits save the comparison of a long text.
 * @param {HTMLElement} block
 * @param {string} text
 * @param {Edit[] | null} edits
 */
function changeText(block, text, edits) {
  const nodes = textNodes(block);
  const length = nodes.reduce((sum, node) => sum + node.length, 0);
  const growth = edits?.reduce((sum, { removed, inserted }) => sum + inserted.length - removed, 0) ?? 0;
  if (edits && length + growth === text.length) return edits.map((edit) => applyEdit(block, edit)).some(Boolean);
  const old = nodes.map((node) => node.data).join("");
  return old !== text && applyEdit(block, difference(old, text));
}

/**
 * @param {HTMLElement} block
 * @param {Edit} edit
 */
function applyEdit(block, { start, removed, inserted }) {
  const nodes = textNodes(block);
  if (start === nodes.reduce((sum, node) => sum + node.length, 0)) return appendText(block, inserted);
  const first = nodeAt(nodes, start);
  const last = nodeAt(nodes, start + removed);
  if (first.node === last.node) {
    first.node.replaceData(first.offset, removed, inserted);
  } else {
    first.node.replaceData(first.offset, first.node.length, inserted);
    last.node.deleteData(0, last.offset);
    for (const node of nodes.slice(first.index + 1, last.index)) node.remove();
  }
  split(first.node);
  return first.node !== last.node;
}

/**
 * @param {HTMLElement} block
 * @param {string} text
 */
function appendText(block, text) {
  const last = block.lastChild;
  if (last instanceof Text && last.length + text.length <= CHUNK_CHARACTERS) {
    last.appendData(text);
  } else {
    const added = document.createTextNode(text);
    block.append(added);
    split(added);
  }
  return false;
}

/** @param {Text} node */
function split(node) {
  if (node.length <= MAX_CHUNK_CHARACTERS) return;
  for (let rest = node; rest.length > CHUNK_CHARACTERS;) rest = rest.splitText(splitOffset(rest.data));
}

/** @param {string} text */
function splitOffset(text) {
  const afterSpace = text.lastIndexOf(" ", CHUNK_CHARACTERS - 1) + 1;
  if (afterSpace > CHUNK_CHARACTERS - SPLIT_WINDOW_CHARACTERS) return afterSpace;
  const unit = text.charCodeAt(CHUNK_CHARACTERS - 1);
  const isHighSurrogate = unit >= 0xd800 && unit <= 0xdbff;
  return CHUNK_CHARACTERS - (isHighSurrogate ? 1 : 0);
}

/**
 * What to replace in the old text to get the other one.
 * @param {string} old
 * @param {string} text
 */
export function difference(old, text) {
  const shorter = Math.min(old.length, text.length);
  let start = 0;
  while (start < shorter && old.charCodeAt(start) === text.charCodeAt(start)) start += 1;
  let same = 0;
  const most = shorter - start;
  while (same < most && old.charCodeAt(old.length - 1 - same) === text.charCodeAt(text.length - 1 - same)) same += 1;
  return { start, removed: old.length - same - start, inserted: text.slice(start, text.length - same) };
}

/**
 * Whether the last character is a space; without a copy of the text.
 * @param {Text} node
 */
const endsWithSpace = (node) => node.length > 0 && node.substringData(node.length - 1, 1) === " ";

/** @param {HTMLElement} block */
const textNodes = (block) => [...block.childNodes].filter((node) => node instanceof Text);

/**
 * The text node with the offset, at its end if the offset is between two nodes.
 * @param {Text[]} nodes
 * @param {number} offset
 */
function nodeAt(nodes, offset) {
  let left = offset;
  let index = 0;
  while (index < nodes.length - 1 && left > nodes[index].length) {
    left -= nodes[index].length;
    index += 1;
  }
  return { node: nodes[index], offset: left, index };
}

/**
 * Insert the element after the text before the offset, and before partials that are there.
 * @param {HTMLElement} block
 * @param {number} offset
 * @param {HTMLElement} element
 */
function insertAt(block, offset, element) {
  const nodes = textNodes(block);
  if (!offset || !nodes.length) return block.prepend(element);
  const { node, offset: inNode } = nodeAt(nodes, offset);
  if (inNode < node.length) node.splitText(inNode);
  node.after(element);
}

/**
 * The text of the block without partials.
 * @param {Element} block
 */
export const textOfBlock = (block) =>
  [...block.childNodes].map((node) => (isPartial(node) ? "" : (node.textContent ?? ""))).join("");

/**
 * The offset in the text of the block; a point in a partial is at the partial's position.
 * @param {HTMLElement} block
 * @param {Node} node
 * @param {number} offset
 */
export function offsetInBlock(block, node, offset) {
  let length = 0;
  const children = [...block.childNodes];
  if (node === block) return children.slice(0, offset).reduce((sum, child) => sum + textLength(child), 0);
  for (const child of children) {
    if (child === node || child.contains(node)) return length + (child instanceof Text ? offset : 0);
    length += textLength(child);
  }
  return length;
}

/** @param {Node} node */
const textLength = (node) => (node instanceof Text ? node.length : 0);

// Runs one case of tests/cases/placement.json against the page's model; returns the marked text and the shown text.
async (placementCase) => {
  const { Document } = await import("/assets/sheet/document.js");
  const { DictatedText } = await import("/assets/sheet/dictated-text.js");
  const { compare, endOf, isSame, START } = await import("/assets/sheet/lines.js");

  const positionIn = (marked, mark) => endOf(START, marked.slice(0, marked.indexOf(mark)));
  const utterance = (argument) => {
    const [dictation, number] = Array.isArray(argument) ? argument : [0, argument];
    return { dictation, number };
  };
  const select = (marked) => {
    if (marked.replace("|", "").replace("^", "") !== sheet.text()) throw new Error(`Text is not ${marked}`);
    const cursor = positionIn(marked.replace("^", ""), "|");
    if (marked.includes("^")) sheet.select(positionIn(marked.replace("|", ""), "^"), cursor);
    else sheet.move(cursor);
  };
  const withInserts = (inserts) => {
    const lines = sheet.text().split("\n");
    const fromEnd = inserts.map((insert, order) => ({ ...insert, order }));
    fromEnd.sort((one, other) => compare(other.at, one.at) || other.order - one.order);
    for (const { at, text } of fromEnd) {
      lines[at.line] = lines[at.line].slice(0, at.offset) + text + lines[at.line].slice(at.offset);
    }
    return lines.join("\n");
  };

  const sheet = new Document(placementCase.start.replace("|", "").replace("^", ""));
  const dictated = new DictatedText(sheet);
  const actions = {
    type: (text) => [...text].forEach((key) => sheet.type(key)),
    paste: (text) => sheet.paste(text),
    move: (marked) => (select(marked), dictated.moveToCursor()),
    delete_before: () => sheet.deleteBefore(),
    delete_after: () => sheet.deleteAfter(),
    undo: () => sheet.undo(),
    redo: () => sheet.redo(),
    begin: (of) => dictated.begin(utterance(of)),
    partial: (of, text) => dictated.setPartial(utterance(of), text),
    final: (of, text) => dictated.insertFinal(utterance(of), text),
    suppress: (of) => dictated.discard(utterance(of)),
    ended: (dictation) => dictated.insertPartials(dictation),
  };
  select(placementCase.start);
  for (const [action, ...values] of placementCase.steps) actions[action](...values);
  const marks = [{ at: sheet.cursor, text: "|" }];
  if (!isSame(sheet.anchor, sheet.cursor)) marks.push({ at: sheet.anchor, text: "^" });
  const preedits = dictated.preedits().map(({ at, text }) => ({ at, text: `{${text}}` }));
  return { text: withInserts(marks), shown: withInserts(preedits) };
}

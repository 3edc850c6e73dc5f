// Decisions: made, kept, taken back. `exported` says whether a file has them already, `sent`, whether one has any of their reader's on
// that text; `own`, whether they were made here.

const VERBS = ['approve', 'edit', 'reject'];
const decisions = new Map();
const drafts = new Map();
const notes = new Map();
const made = [];

const keyOf = (n) => `${HERE}d/${rows[n].id}`;
const draftKeyOf = (n) => `${HERE}x/${rows[n].id}`;
const noteKeyOf = (n) => `${HERE}n/${rows[n].id}`;
const decisionOn = (n) => decisions.get(n)?.decision;
const verbOn = (n) => decisionOn(n)?.action || '';

/** Decide on row `n`. `more` has text or fields of an edit, reason and note. */
function decide(n, verb, more = {}) {
  const decision = {
    record_id: rows[n].id, run_id: about.run_id, action: verb, editor: liked.editor, at: new Date().toISOString(), base: rows[n].base,
  };
  const isSaidAgain = decisions.has(n) && wishOf(decisionOn(n)) === wishOf({ action: verb, ...more });
  const note = notes.get(n) ?? (isSaidAgain ? decisionOn(n).note : undefined);
  for (const [name, value] of Object.entries({ note, ...more })) {
    if (value && (typeof value === 'string' || Object.keys(value).length)) decision[name] = value;
  }
  made.push(n);
  hold(n, { decision, own: true, exported: false });
  forgetNote(n);
}

function hold(n, given) {
  const entry = { ...given, sent: given.exported || Boolean(decisions.get(n)?.sent) };
  decisions.set(n, entry);
  known.delete(n);
  keep(keyOf(n), entry);
}

function takeBack(n) {
  const entry = decisions.get(n);
  decisions.delete(n);
  known.delete(n);
  drop(keyOf(n));
  return entry;
}

/** Take what its reader decided elsewhere in place of what stands here. Words that no file has yet become a draft. */
function replace(n, decision) {
  const entry = decisions.get(n);
  if (entry && !entry.exported && wishOf(entry.decision) !== wishOf(decision)) keepWords(n, entry.decision);
  hold(n, { decision, own: false, exported: true });
}

/** The row that was decided on last and still is. */
function lastDecided() {
  while (made.length && !decisions.has(made[made.length - 1])) made.pop();
  return made[made.length - 1];
}

/** Words for a decision to come: they go with it, whatever it will be. On a decision that is there, with that one. */
function annotate(n, words) {
  const note = words.trim();
  const entry = decisions.get(n);
  if (!entry) {
    notes.set(n, note);
    keep(noteKeyOf(n), note);
    if (!note) forgetNote(n);
    return;
  }
  const { note: _, ...rest } = entry.decision;
  hold(n, { decision: { ...rest, editor: liked.editor || rest.editor, at: new Date().toISOString(), ...(note && { note }) },
    own: true, exported: false });
}

const noteOn = (n) => decisionOn(n)?.note ?? notes.get(n) ?? '';

function forgetNote(n) {
  if (notes.delete(n)) drop(noteKeyOf(n));
}

function saveDraft(n, draft) {
  drafts.set(n, draft);
  keep(draftKeyOf(n), draft);
}

function forgetDraft(n) {
  if (drafts.delete(n)) drop(draftKeyOf(n));
}

/** What was kept by this browser, as far as it still is about texts of this page. */
function restore() {
  imported.clear();
  for (const decision of keptUnder(`${HERE}c/`).values()) {
    const n = byId.get(decision?.record_id);
    if (n !== undefined && isSound(n, decision)) noteImported(n, decision);
  }
  for (const [kind, into] of [['d/', decisions], ['x/', drafts], ['n/', notes]]) {
    into.clear();
    for (const [id, value] of keptUnder(HERE + kind)) {
      const n = byId.get(id);
      if (n === undefined || !value || (into === decisions && !isSound(n, value.decision))) continue;
      into.set(n, value);
    }
  }
  partDecisions();
}

/** Whether other windows have decided what this one was not told of, as Safari may leave it. */
function isBehind() {
  const there = keptUnder(`${HERE}d/`);
  return there.size !== decisions.size || [...there].some(([id, value]) => JSON.stringify(value) !== JSON.stringify(decisions.get(byId.get(id))));
}

/** Decisions that have left this page under another name than its reader's are a colleague's; those under the reader's are the reader's. */
function partDecisions() {
  for (const [n, { decision, own, exported }] of [...decisions]) {
    if (exported && isOutdated(n, decision)) {
      takeBack(n);
      continue;
    }
    if ((own && !exported) || !isOthers(decision.editor ?? '')) continue;
    takeBack(n);
    holdImported(n, decision);
  }
  for (const [n, byEditor] of [...imported]) {
    const mine = byEditor.get(liked.editor);
    if (!mine) continue;
    forgetImported(n, liked.editor);
    if (!decisions.has(n) || isLater(mine, decisionOn(n))) replace(n, mine);
  }
  known.clear();
}

/** Whether a decision, from wherever, is one on row `n` as it stands here. */
function isSound(n, decision) {
  if (!decision || !VERBS.includes(decision.action) || decision.base !== rows[n].base || !rows[n].base) return false;
  const words = [decision.editor ?? '', decision.at, decision.text ?? '', decision.reason ?? '', decision.note ?? ''];
  if (words.some((value) => typeof value !== 'string') || Number.isNaN(Date.parse(decision.at))) return false;
  if (decision.reason && !about.codes.includes(decision.reason)) return false;
  const fields = decision.fields ?? {};
  if (decision.action !== 'edit') return true;
  return Object.keys(fields).length ? hasForm(fields, shown(n).fields || {}) : Boolean(decision.text);
}

/** Whether edited fields have the names and forms of a text's own. */
function hasForm(fields, original) {
  const names = Object.keys(original);
  const isText = (value) => typeof value === 'string';
  const isPart = (entry) => entry !== null && typeof entry === 'object' && Object.values(entry).every(isText);
  return names.length === Object.keys(fields).length && names.every((name) => Object.hasOwn(fields, name)
    && (isText(original[name])
      ? isText(fields[name])
      : Array.isArray(fields[name]) && fields[name].every((entry) => isText(entry) || isPart(entry))));
}

/** The name that decisions made here go by: those that no file has yet take the new one. */
function rename(editor) {
  like({ editor });
  for (const [n, entry] of decisions) {
    if (entry.own && !entry.exported) hold(n, { ...entry, decision: { ...entry.decision, editor } });
  }
  partDecisions();
}

const unexported = () => [...decisions.values()].filter((entry) => !entry.exported).length;

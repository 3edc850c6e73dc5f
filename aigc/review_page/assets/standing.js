// How a text stands: by what editors decided before this page was written, by files that were imported here, and by what is decided here.

/** Decisions of colleagues that were imported here: by row, then by editor. */
const imported = new Map();
/** What is wanted of rows, until somebody decides anew. */
const known = new Map();

const importedKeyOf = (n, editor) => `${HERE}c/${rows[n].id}/${editor}`;

function holdImported(n, decision) {
  noteImported(n, decision);
  keep(importedKeyOf(n, decision.editor), decision);
}

function noteImported(n, decision) {
  if (!imported.has(n)) imported.set(n, new Map());
  imported.get(n).set(decision.editor, decision);
  known.delete(n);
}

function forgetImported(n, editor) {
  imported.get(n)?.delete(editor);
  if (!imported.get(n)?.size) imported.delete(n);
  drop(importedKeyOf(n, editor));
  known.delete(n);
}

/** Whether decisions of `editor` are somebody else's than who reads here. */
const isOthers = (editor) => editor !== '' && editor !== liked.editor;
const isLater = (one, other) => Date.parse(one.at) > Date.parse(other.at);

/** The latest decision of each editor on row `n`, oldest first. What was decided here is marked as `isOwn`. */
function saidOn(n) {
  const latest = new Map();
  const before = beforeOn(n);
  const final = before.filter((decision) => decision.final).at(-1);
  const since = [...imported.get(n)?.values() ?? []].filter((decision) => !final || isLater(decision, final));
  for (const decision of [...before.map(({ verb, ...rest }) => ({ ...rest, action: verb })), ...since]) {
    const other = latest.get(decision.editor);
    if (!other || isLater(decision, other)) latest.set(decision.editor, decision);
  }
  const own = decisionOn(n);
  if (own) latest.delete(own.editor || liked.editor);
  const said = [...latest.values(), ...(own ? [{ ...own, isOwn: true }] : [])];
  return said.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}

const beforeOn = (n) => (rows[n].stands ? shown(n).before || [] : []);

/** Whether a decision that has left this page counts no more: its editor decided again elsewhere, or a final word was said since. */
const isOutdated = (n, decision) => beforeOn(n).some((other) => (other.final || other.editor === decision.editor) && isLater(other, decision));

/** A value as JSON that does not tell in which order its keys came. */
const ordered = (value) => JSON.stringify(value, (_, part) => (part && typeof part === 'object' && !Array.isArray(part)
  ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1))) : part));

/** What an editor wants published: as aigc/review/standing.py tells wishes apart. */
const wishOf = ({ action, text = '', fields = {} }) => ordered([action, action === 'edit' ? [text, fields] : []]);

/** What is wanted of row `n`, each once: the decision in `is`, and in `said` those of all who want it. */
function wishesOn(n) {
  if (!known.has(n)) {
    const wishes = new Map();
    for (const decision of saidOn(n)) {
      const wish = wishOf(decision);
      if (!wishes.has(wish)) wishes.set(wish, { is: decision, said: [] });
      wishes.get(wish).said.push(decision);
    }
    known.set(n, [...wishes.values()]);
  }
  return known.get(n);
}

/** What others want of row `n`, and what its reader wanted before. */
const offeredOn = (n) => (rows[n].stands || imported.has(n) ? wishesOn(n).filter(({ said }) => said.some(({ isOwn }) => !isOwn)) : []);

/** How row `n` stands: '' where nobody has decided. */
function stateOf(n) {
  if (!imported.has(n) && (!decisions.has(n) || !rows[n].stands)) {
    return decisions.has(n) ? (verbOn(n) === 'reject' ? 'rejected' : 'approved') : rows[n].stands || '';
  }
  const wishes = wishesOn(n);
  if (wishes.length > 1) return 'in_conflict';
  return wishes[0].is.action === 'reject' ? 'rejected' : 'approved';
}

const isInConflict = (n) => stateOf(n) === 'in_conflict';
const isUndecided = (n) => isDecidable(n) && stateOf(n) === '';
/** Whether row `n` stands: `aigc review status` counts decided ones so. */
const isDone = (n) => ['approved', 'rejected'].includes(stateOf(n));
/** Whether row `n` waits for its reader: nobody has decided, or others differ. */
const isOpen = (n) => isDecidable(n) && !decisions.has(n) && !isDone(n);

/** What counts for row `n`: approve, edit, reject or conflict; '' where nobody has decided. */
function countedAs(n) {
  const state = stateOf(n);
  if (state !== 'approved') return { rejected: 'reject', in_conflict: 'conflict' }[state] ?? '';
  if (decisions.has(n)) return verbOn(n);
  return (imported.has(n) ? wishesOn(n)[0].is.action === 'edit' : rows[n].edited) ? 'edit' : 'approve';
}

/** The edit whose words stand for row `n`: the one that was made here, or the one that all who decided before want. */
function editOn(n) {
  if (decisions.has(n)) return verbOn(n) === 'edit' ? decisionOn(n) : null;
  return stateOf(n) === 'approved' && countedAs(n) === 'edit' ? wishesOn(n)[0].said.at(-1) : null;
}

/** The edit that the boxes begin with: the one that stands; where editors differ, the latest. */
const editToBeginWith = (n) => editOn(n) ?? (isInConflict(n) ? saidOn(n).filter(({ action }) => action === 'edit').at(-1) : null) ?? null;

/** Whether an edit has words of its own, and none that others wrote. */
const hasOwnWords = (n, decision) => decision?.action === 'edit' && !offeredOn(n).some(({ is }) => wishOf(is) === wishOf(decision));

/** Those who want something else of row `n` than was decided here. */
const whoDiffers = (n) => wishesOn(n).filter(({ said }) => !said.some(({ isOwn }) => isOwn)).flatMap(({ said }) => said.map(({ editor }) => editor));

/** The text of row `n` as it stands: the edited one, else its own. */
function standingFields(n) {
  const fields = editOn(n)?.fields;
  return hasEntries(fields) ? fieldsOf(n).map(([name]) => [name, fields[name]]) : fieldsOf(n);
}

const hasEntries = (fields) => Boolean(fields) && Object.keys(fields).length > 0;
const standingText = (n) => editOn(n)?.text || shown(n).text || '';

/** The length of row `n` with other fields or another text: of fields, the text's own and what they add to it. */
function lengthOf(n, { text, fields }) {
  const tag = rows[n].language;
  const length = countWords(text || shown(n).text || '', tag);
  return fields ? length + countWords(allLines(fields), tag) - countWords(allLines(fieldsOf(n)), tag) : length;
}

const standingLength = (n) => lengthOf(n, { text: editOn(n)?.text, fields: hasEntries(editOn(n)?.fields) && standingFields(n) });

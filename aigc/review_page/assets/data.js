// What the file holds. The list is read at once, texts when the first of their element is looked at.

const element = (name) => document.querySelector(`script[data-rows="${name}"]`);
const about = JSON.parse(element('about').textContent);
const rows = JSON.parse(element('list').textContent);
const texts = [...document.querySelectorAll('script[data-rows="texts"]')];

const firsts = [];
about.chunks.reduce((first, length) => {
  firsts.push(first);
  return first + length;
}, 0);
const parsed = new Map();

for (const row of rows) row.reasons = row.reasons || [];

/** All that is read of row `n`. */
function shown(n) {
  let chunk = 0;
  let beyond = firsts.length;
  while (beyond - chunk > 1) {
    const middle = (chunk + beyond) >> 1;
    if (firsts[middle] <= n) chunk = middle;
    else beyond = middle;
  }
  if (!parsed.has(chunk)) parsed.set(chunk, JSON.parse(texts[chunk].textContent));
  return parsed.get(chunk)[n - firsts[chunk]];
}

const byId = new Map(rows.map((row, n) => [row.id, n]));
const ofBrief = new Map();
rows.forEach((row, n) => {
  const key = `${row.type}\n${row.brief}`;
  if (!ofBrief.has(key)) ofBrief.set(key, []);
  ofBrief.get(key).push(n);
});

/** Rows of one brief, in the order of their variants. */
const variantsOf = (n) => ofBrief.get(`${rows[n].type}\n${rows[n].brief}`);

const isDecidable = (n) => Boolean(rows[n].base);
const isFlagged = (n) => rows[n].outcome === 'accepted' && rows[n].reasons.length > 0;
const hasPassed = (n) => ['accepted', 'held'].includes(rows[n].outcome);
const isForReview = (n) => isDecidable(n) && (hasPassed(n) || disputed.has(n));

/** What needs eyes first: texts on which editors differ, held, flagged, accepted, then what did not pass. */
const RANKS = { held: 0, accepted: 2, short: 3, exhausted: 4, rejected: 5, failed: 6, invalid: 7 };
const rankOf = (n) => (isInConflict(n) ? -1 : isFlagged(n) ? 1 : RANKS[rows[n].outcome] ?? 8);
let inOrder = [];
/** Rows that were in conflict when rows were put in order: one that is settled stays where it is read. */
let disputed = new Set();

/** Put rows in the order in which they are read: when the page opens, and when decisions of colleagues come in. */
function putInOrder() {
  const ranks = rows.map((_, n) => rankOf(n));
  disputed = new Set([...rows.keys()].filter((n) => ranks[n] < 0));
  tellOutcomes();
  inOrder = rows.map((_, n) => n).sort((one, other) => ranks[one] - ranks[other] || one - other);
}

const fieldsOf = (n) => Object.entries(shown(n).fields || {});
const isStructured = (n) => fieldsOf(n).length > 0;

const allLines = (fields) => fields.map(([, value]) => asLines(value)).join('\n');

/** Whether an entry is what somebody says: a speaker, and the words. */
const isTurn = (entry) => typeof entry !== 'string' && Object.keys(entry).length === 2 && Object.keys(entry)[0] === 'speaker';

/** A field as lines: of a text itself, of a list its entries, of objects their parts, of what somebody says the speaker before it. */
function asLines(value) {
  if (typeof value === 'string') return value;
  return value.map((entry) => (typeof entry === 'string' ? entry : Object.values(entry).join(isTurn(entry) ? ': ' : '\n'))).join('\n');
}

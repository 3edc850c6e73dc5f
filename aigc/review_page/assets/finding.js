// Which rows the list has: filters, and words to search for.

const ALL = '';
const wanted = { state: ALL, outcome: 'review', type: ALL, language: ALL, reason: ALL };
let searched = [];
let haystacks = null;

const hasDraft = (n) => !decisions.has(n) && (drafts.has(n) || notes.has(n));

/** All that a row is in the eyes of the first filter. What was decided before counts as what is decided here. */
const statesOf = (n) => [
  isUndecided(n) && 'open', isDone(n) && 'decided', isInConflict(n) && 'in_conflict', verbOn(n) || countedAs(n), hasDraft(n) && 'draft',
].filter(Boolean);

/** What each filter asks of a row: whether the row has `value`. */
const TESTS = {
  state: (n, value) => statesOf(n).includes(value),
  outcome: (n, value) => (value === 'review' ? isForReview(n) : value === 'flagged' ? isFlagged(n) : rows[n].outcome === value),
  type: (n, value) => rows[n].type === value,
  language: (n, value) => rows[n].language === value,
  reason: (n, value) => rows[n].reasons.includes(value),
};
const NAMES = Object.keys(TESTS);

/** The values that a row has under a filter, for the counts. */
let outcomes = [];

function tellOutcomes() {
  outcomes = rows.map((row, n) => [isForReview(n) && 'review', isFlagged(n) && 'flagged', row.outcome].filter(Boolean));
}

const VALUES = {
  state: statesOf,
  outcome: (n) => outcomes[n],
  type: (n) => [rows[n].type],
  language: (n) => [rows[n].language],
  reason: (n) => rows[n].reasons,
};

/** All words of a row in small letters, made once: at the first search. */
function haystackOf(n) {
  const row = rows[n];
  const all = shown(n);
  const others = (all.others || []).map((other) => other.text);
  const before = (all.before || []).flatMap(wordsOf);
  const brief = Object.values(all.brief || {}).flat();
  return [row.brief, row.id, ...row.reasons, all.text, ...brief, all.tone, all.audience, ...others, ...before, ...(all.errors || [])]
    .join('\n').toLowerCase();
}

/** Who decided, and the words that they put or said. */
const wordsOf = ({ editor, text, fields, note }) => [editor, text, fields && allLines(Object.entries(fields)), note].filter(Boolean);

function matches(n) {
  if (!searched.length) return true;
  if (haystacks[n] === undefined) haystacks[n] = haystackOf(n);
  const said = [decisionOn(n), ...imported.get(n)?.values() ?? []].filter(Boolean);
  const edited = said.flatMap(wordsOf).join('\n').toLowerCase();
  return searched.every((word) => haystacks[n].includes(word) || edited.includes(word));
}

function search(words) {
  searched = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (searched.length && !haystacks) haystacks = new Array(rows.length);
}

/** The rows that pass, in order, and for each filter how many rows each of its values would have. */
function find() {
  const found = [];
  const counts = Object.fromEntries(NAMES.map((name) => [name, new Map()]));
  const asked = NAMES.filter((name) => wanted[name] !== ALL);
  for (const n of inOrder) {
    const failed = asked.filter((name) => !TESTS[name](n, wanted[name]));
    if (failed.length > 1 || !matches(n)) continue;
    if (!failed.length) found.push(n);
    for (const name of failed.length ? failed : NAMES) {
      for (const value of VALUES[name](n)) counts[name].set(value, (counts[name].get(value) || 0) + 1);
    }
  }
  return { found, counts };
}

const isNarrowed = () => searched.length > 0 || NAMES.some((name) => wanted[name] !== (name === 'outcome' ? 'review' : ALL));

function clearFilters() {
  for (const name of NAMES) wanted[name] = name === 'outcome' ? 'review' : ALL;
  $('query').value = '';
  search('');
}

/** The values that each filter offers, in order. */
const OFFERED = {
  state: ['open', 'in_conflict', 'decided', 'approve', 'edit', 'reject', 'draft'],
  outcome: ['review', 'held', 'flagged', 'accepted', 'short', 'exhausted', 'rejected', 'failed', 'invalid'],
  type: [...new Set(rows.map((row) => row.type))].sort(),
  language: [...new Set(rows.map((row) => row.language))].sort(),
  reason: [...new Set(rows.flatMap((row) => row.reasons))].sort(),
};

function nameOfValue(filter, value) {
  if (filter === 'reason') return codeWords(value);
  if (filter === 'language') return languageName(value);
  if (filter === 'type') return typeName(value);
  return filter === 'outcome' ? outcomeWords(value) : t(`${filter}_${value}`);
}

/** What a value means, or what programs call it. */
const titleOfValue = (filter, value) => (filter === 'outcome' ? t(`means_${value}`) : filter === 'state' ? null : value);

/** The filters as lists to choose from. A value that no row would have is left out. */
function showFilters(counts) {
  for (const name of NAMES) {
    const select = $(`filter-${name}`);
    const values = OFFERED[name].filter((value) => counts[name].get(value) || wanted[name] === value);
    const all = h('option', { value: ALL }, t(`all_${name}`));
    refill(select, all, values.map((value) => h('option', { value, title: titleOfValue(name, value) },
      value === wanted[name] ? nameOfValue(name, value) : `${nameOfValue(name, value)} · ${number(counts[name].get(value) || 0)}`)));
    select.value = wanted[name];
    select.classList.toggle('set', wanted[name] !== ALL);
    select.setAttribute('aria-label', t(`filter_${name}`));
  }
}

function makeFilters() {
  put($('filters'), NAMES.map((name) => h('select', {
    id: `filter-${name}`,
    change: (event) => {
      wanted[name] = event.target.value;
      refind();
      keepPlace();
    },
  })));
}

// What colleagues decided on a text, and taking it: their words, their approval, or their rejection.

/** A name inside a line of ours: where it may be written from right to left, its direction stays its own. */
const isolated = (name) => (/[\u0590-\u08ff\u200e-\u202e\u2066-\u2069\ufb1d-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name);
const isReaders = ({ editor, isOwn }) => isOwn || (editor !== '' && editor === liked.editor);
const namesOf = (said) => listed(said.map((decision) => (isReaders(decision) ? t('you') : isolated(decision.editor))));
const listed = (names) => format('list', (locale) => new Intl.ListFormat(locale, { type: 'conjunction' })).format([...new Set(names)]);

/** Who wants what; `you` begins a sentence in some places. */
const didOf = ({ is, said }) => t('somebody_did', { names: namesOf(said), verb: is.action });
const atStart = (words) => (words.startsWith(`${t('you')} `) ? capitalised(words) : words);

const isOwnWish = ({ said }) => said.some(({ isOwn }) => isOwn);

/** Whether the versions of row `n` stand in the middle, beside each other: only where words differ is there more than one to read. */
const hasVersions = (n) => mode === 'read' && isInConflict(n) && wishesOn(n).some(({ is }) => is.action === 'edit') && formOf(n) !== 'original';

/** Where editors differ: who wants what, and the question that only a reader can answer. */
function questionOf(n) {
  const wishes = wishesOn(n);
  const words = atStart(wishes.map(didOf).join(t('comma')));
  return h('div', { class: 'strip conflict question', id: 'question' }, icon('conflict'), h('div', { class: 'grow' },
    h('p', null, h('b', null, t(decisions.has(n) ? 'still_differ' : 'which_one', { words }))),
    h('p', { class: decisions.has(n) ? 'aside' : 'aside by-key' }, t(decisions.has(n) ? 'still_differ_hint' : 'which_one_hint')),
    wishes.some(isEdit) && !wishes.some(({ is }) => is.action === 'approve') && h('p', { class: 'strip-acts' }, originalButton()),
    !hasVersions(n) && h('ul', { class: 'choices' }, wishes.map((wish, i) => h('li', null, wishHead(n, wish, i))))));
}

/** Who wants a version and why, and the button that takes it. */
function wishHead(n, wish, i) {
  const { is, said } = wish;
  return h('div', { class: `wish ${is.action}` },
    h('p', { class: 'wish-who' }, icon(is.action), h('span', null, h('b', null, atStart(didOf(wish))), finalWord(said),
      h('br'), h('span', { class: 'aside' }, time(is.at)))),
    said.filter(({ reason, note }) => reason || note).map(({ reason, note }) => h('p', { class: 'wish-why', dir: 'auto' },
      reason && h('b', null, reasonWords(reason)), reason && note && ' · ', note)),
    takeButton(n, wish, i));
}

function takeButton(n, wish, i) {
  if (!isDecidable(n)) return null;
  if (isOwnWish(wish)) return h('p', { class: 'aside' }, t('taken'));
  const isOnlyMine = wish.said.every(({ editor }) => editor === liked.editor);
  const word = t(isOnlyMine ? 'keep_mine' : wish.is.action === 'edit' ? 'take' : 'agree');
  return button(word, {
    class: 'plain take', click: () => take(n, wish), 'aria-label': `${word}: ${didOf(wish)}`,
  }, { key: i < 9 && String(i + 1) });
}

const finalWord = (said) => said.some(({ final }) => final) && [' · ', t('final_word')];

/** The versions of row `n` beside each other. The text as it was made stands once, beside the first who want no other words. */
function versionsOf(n) {
  const wishes = wishesOn(n);
  const first = wishes.find(({ is }) => is.action !== 'edit');
  return h('div', { class: 'columns versions' }, wishes.map((wish, i) => h('article', {
    class: `column ${isOwnWish(wish) ? 'current' : ''}`, 'aria-label': atStart(didOf(wish)),
  }, wishHead(n, wish, i),
  wish.is.action === 'edit' ? wordsIn(n, wish.is, formOf(n)) : wish === first && originalOf(n))));
}

/** An edit as it reads, or as what it changes. */
function wordsIn(n, edit, chosen) {
  if (chosen === 'changes') return changesOf(n, edit);
  return hasEntries(edit.fields) ? plainFields(n, fieldsOf(n).map(([name, value]) => [name, edit.fields[name] ?? value])) : plainText(edit.text, rows[n].language);
}

const originalOf = (n) => (isStructured(n) ? markedFields(n, fieldsOf(n)) : markedText(n));

/** What stands by decisions that were made before, and what the reader can do with it. */
function standsStrip(n) {
  const [{ is, said }] = wishesOn(n);
  const why = said.filter(({ reason, note }) => reason || note);
  return h('div', { class: `strip ${is.action}` }, icon(is.action), h('div', { class: 'grow' },
    h('p', null, h('b', null, t('stands_by', { names: namesOf(said), verb: is.action })), finalWord(said), ` · ${time(said.at(-1).at)}`),
    why.map(({ reason, note }) => h('p', { class: 'strip-note', dir: 'auto' }, reason && h('b', null, reasonWords(reason)), reason && note && ' · ', note)),
    is.action === 'edit' && mode !== 'edit' && h('p', { class: 'strip-acts' }, h('span', { class: 'aside by-key' }, t('take_hint')), originalButton())));
}

const originalButton = () => button(t('approve_original'), { class: 'plain', click: approveOriginal }, { key: '0' });

/** Decide as others did: with their very words, so that nobody differs. */
function take(n, { is, said }) {
  if (mode === 'edit') putAside();
  const more = { edit: { text: is.text, fields: is.fields }, reject: { reason: said.find(({ reason }) => reason)?.reason }, approve: {} }[is.action];
  const others = said.filter((decision) => !isReaders(decision));
  const told = is.action === 'edit' ? 'said_take' : `said_agree_${is.action}`;
  settle(n, is.action, more, others.length ? { said: told, names: namesOf(others) } : { said: `said_${is.action}` });
}

/** Take what stands under number `place`, counted from 1. */
function takeAt(place) {
  const wish = current >= 0 && mode !== 'edit' && isDecidable(current) && offeredOn(current).length ? wishesOn(current)[place - 1] : undefined;
  if (wish && !isOwnWish(wish)) take(current, wish);
}

/** Approve what was written, where a colleague wants other words: that is said by its name, never meant by accident. */
function approveOriginal() {
  if (current >= 0 && mode !== 'edit' && isDecidable(current) && offeredOn(current).some(isEdit)) settle(current, 'approve', {}, { said: 'said_original' });
}

const isEdit = ({ is }) => is.action === 'edit';

/** Approve what would be published: with words of a colleague, those. Where editors differ about the words, the reader among them, that is no answer. */
function approve() {
  if (current < 0 || !isDecidable(current)) return undefined;
  const others = offeredOn(current);
  const edit = others.find(isEdit);
  if (!edit) return settle(current, 'approve', {});
  const isDisputed = others.length > 1 || wishesOn(current).some((wish) => wish !== edit && wish.is.action !== 'reject');
  if (!isDisputed) return take(current, edit);
  return say(t('choose_one'), 'bad');
}

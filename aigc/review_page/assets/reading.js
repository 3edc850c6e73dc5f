// The middle of the page: one text, what it is, and what was decided.

let mode = 'read';
let form = 'fields';
let editedForm = 'changes';
/** Of an edit that others made: it stands as what would be published, so it is read as that. */
let othersForm = 'edited';

/** Forms in which row `n` can be read. */
function formsOf(n) {
  if (verbOn(n) === 'edit' || hasDifferentWords(n)) return ['changes', 'edited', 'original'];
  if (editOn(n)) return ['edited', 'original', 'changes'];
  return isStructured(n) ? ['fields', 'text'] : ['text'];
}

const hasDifferentWords = (n) => isInConflict(n) && wishesOn(n).some(({ is }) => is.action === 'edit');
const isOthersEdit = (n) => !decisions.has(n) && editOn(n) !== null;

function formOf(n) {
  const asked = isOthersEdit(n) ? othersForm : formsOf(n).includes('changes') ? editedForm : form;
  return formsOf(n).includes(asked) ? asked : formsOf(n)[0];
}

function setForm(chosen) {
  if (isOthersEdit(current)) othersForm = chosen;
  else if (formsOf(current).includes('changes')) editedForm = chosen;
  else form = chosen;
  showReading();
}

function nextForm() {
  const forms = formsOf(current);
  if (forms.length > 1) setForm(forms[(forms.indexOf(formOf(current)) + 1) % forms.length]);
}

/** All of the middle, for the row that is read. */
function showReading() {
  const isNone = current < 0;
  document.body.dataset.mode = isNone ? 'none' : mode;
  document.body.classList.toggle('with-versions', !isNone && hasVersions(current));
  refill($('head'), !isNone && headOf(current));
  refill($('body'), isNone ? h('p', { class: 'nothing' }, t(rows.length ? 'nothing_open' : 'nothing_here')) : bodyOf(current));
  refill($('actions'), !isNone && actionsOf(current));
  $('reading').setAttribute('aria-label', t('reading'));
  $('actions').setAttribute('aria-label', t('actions'));
  fitAreas();
}

function headOf(n) {
  const row = rows[n];
  const words = standingLength(n);
  return [
    h('p', { class: 'kicker' },
      h('span', { class: `outcome ${outcomeClass(n)}`, title: t(`means_${outcomeClass(n)}`) }, outcomeWords(outcomeClass(n))),
      foreign(typeName(row.type)), h('span', null, languageName(row.language)),
      isDecidable(n) && mode !== 'edit' && h('span', null, t('length', { count: words, characters: isPerCharacter(row.language) })),
      h('span', { class: 'place' }, t('place', { place: found.indexOf(n) + 1, of: found.length }))),
    h('h2', { class: 'title', dir: 'auto', lang: row.language }, row.title || row.brief),
    isInConflict(n) && mode !== 'edit' && questionOf(n),
    h('div', { class: 'switches' }, variantSwitch(n), mode === 'read' && formSwitch(n)),
    isInConflict(n) && mode !== 'edit' ? null : strip(n),
  ];
}

function formSwitch(n) {
  const forms = formsOf(n);
  if (forms.length < 2) return null;
  return h('div', { class: 'switch', role: 'group', 'aria-label': t('forms') }, forms.map((name) => h('button', {
    type: 'button', 'aria-pressed': String(name === formOf(n)), click: () => setForm(name),
  }, t(`form_${name}`))));
}

/** What was decided on row `n`, by whom and why. */
function strip(n) {
  const decision = decisionOn(n);
  const note = noteOn(n);
  if (!decision && isDone(n)) return [standsStrip(n), note && noteStrip(note)];
  if (!decision) return note && noteStrip(note);
  return h('div', { class: `strip ${decision.action}` }, icon(decision.action), h('div', null,
    h('p', null, h('b', null, t(`done_${decision.action}`)),
      decision.editor && [' · ', foreign(decision.editor)], ` · ${time(decision.at)}`,
      isTaken(n) && [' · ', t('as_others', { names: namesOf(wishesOn(n).find(isOwnWish).said.filter(({ isOwn }) => !isOwn)) })],
      decision.reason && [' · ', h('b', null, reasonWords(decision.reason))]),
    note && h('p', { class: 'strip-note', dir: 'auto' }, note)));
}

const isTaken = (n) => decisions.has(n) && offeredOn(n).some(isOwnWish);
const noteStrip = (note) => h('p', { class: 'strip note' }, icon('note'), h('span', null, h('b', null, t('note_waits')), ' ', foreign(note)));

function bodyOf(n) {
  if (mode === 'compare') return columnsOf(n);
  if (mode === 'edit') return editorOf(n);
  if (!isDecidable(n)) return whyNothing(n);
  if (hasVersions(n)) return versionsOf(n);
  return [labelLine(n, 'start'), textOf(n, formOf(n)), labelLine(n, 'end')];
}

/** The text of row `n` in one of its forms. */
function textOf(n, chosen) {
  if (['changes', 'edited'].includes(chosen) && editOn(n)) return wordsIn(n, editOn(n), chosen);
  return chosen === 'text' ? markedText(n) : originalOf(n);
}

/** The label that readers will see, which is no part of the text. */
function labelLine(n, place) {
  const { label, label_place: at } = shown(n);
  if (!label || at !== place) return null;
  return h('p', { class: 'label', lang: rows[n].language }, h('span', { class: 'aside' }, t('label_here')), foreign(label));
}

function whyNothing(n) {
  const errors = shown(n).errors || [];
  return h('div', { class: 'why' }, h('p', null, t(`why_${rows[n].outcome === 'invalid' ? 'invalid' : 'failed'}`)),
    h('ul', null, errors.map((error) => h('li', { dir: 'auto' }, error))));
}

function actionsOf(n) {
  if (mode === 'edit') {
    return [
      button(t('save_edit'), { class: 'act edit', click: saveEdit }, { drawing: 'approve', key: SAVE_KEY }),
      button(t('leave_edit'), { class: 'act', click: leaveEdit }, { key: 'Esc' }),
      h('span', { class: 'grow' }),
      drafts.has(n) && button(t('discard_draft'), { class: 'act', click: discardDraft }),
    ];
  }
  const act = (verb, key, action, given) => button(t(verb), {
    class: `act ${verb} ${verbOn(n) === verb ? 'chosen' : ''}`, click: action, ...given,
  }, { drawing: verb, key });
  const acts = isDecidable(n) ? [
    act('approve', 'A', approve), act('edit', 'E', openEditor), act('reject', 'R', openReject), act('note', 'N', openNote),
    act('undo', 'U', undo, { disabled: !decisions.has(n) && lastDecided() === undefined }),
  ] : [h('span', { class: 'aside' }, t('nothing_to_decide'))];
  return [
    ...acts, h('span', { class: 'arrows' },
      h('button', { type: 'button', class: 'act icon-only', 'aria-label': t('before'), title: t('before_key'), click: () => move(-1) }, icon('before')),
      h('button', { type: 'button', class: 'act icon-only', 'aria-label': t('after'), title: t('after_key'), click: () => move(1) }, icon('after'))),
  ];
}

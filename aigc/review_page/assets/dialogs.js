// Questions and answers in boxes above the page.

/** Open a box. `submit` is given its form; where it returns false the box stays. `key` is the one that ends it, as its button tells. */
function openBox({ title, body, ok, key = '↵', submit = () => true, kind = '', cancel = t('cancel'), extra = null }) {
  const form = h('form', {
    method: 'dialog', novalidate: kind === 'rejecting',
    submit: (event) => {
      event.preventDefault();
      if (submit(form) !== false) box.close('done');
    },
    keydown: (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    },
  },
  h('h2', { id: 'box-title' }, title), body,
  h('div', { class: 'buttons' }, extra, h('span', { class: 'grow' }),
    cancel && button(cancel, { class: 'plain', click: () => box.close() }, { key: 'Esc' }),
    h('button', { type: 'submit', class: 'primary' }, ok, h('kbd', { 'aria-hidden': 'true' }, key))));
  const box = h('dialog', { class: `box ${kind}`, 'aria-labelledby': 'box-title', close: () => box.remove() }, form);
  $('dialogs').append(box);
  box.showModal();
  box.scrollTop = 0; // where its first control stands below what is to be read
  return box;
}

const isBoxOpen = () => document.querySelector('dialog[open]') !== null;

function reasonSelect(chosen, choose) {
  const select = h('select', { change: (event) => choose(event.target.value) },
    h('option', { value: '' }, t('no_reason')), about.codes.map((code) => h('option', { value: code }, reasonWords(code))));
  select.value = chosen || '';
  return select;
}

/** What was typed in a note's box that was left without saving it, by row. */
const unsaved = new Map();

function keepTyped(box, n) {
  const area = box.querySelector('textarea');
  box.addEventListener('close', () => {
    if (box.returnValue !== 'done' && area.value.trim() !== noteOn(n)) {
      unsaved.set(n, area.value);
      say(t('note_unsaved'));
    } else unsaved.delete(n);
  });
  return box;
}

const DIGITS = '1234567890-';

function openReject() {
  if (!isDecidable(current)) return;
  const n = current;
  const decision = decisionOn(n);
  const radios = about.codes.map((code, i) => h('label', { class: 'reason' },
    h('input', { type: 'radio', name: 'reason', value: code, required: true, checked: decision?.reason === code }),
    h('span', null, reasonWords(code)), DIGITS[i] && h('kbd', { 'aria-hidden': 'true' }, DIGITS[i])));
  const missing = h('p', { class: 'missing', role: 'alert' });
  const box = keepTyped(openBox({
    title: t('reject_title'), ok: t('reject'), kind: 'rejecting', key: SAVE_KEY,
    body: [
      h('fieldset', { class: 'reasons' }, h('legend', null, t('reject_why'), h('span', { class: 'aside by-key' }, ` · ${t('reject_keys', { key: SAVE_KEY })}`)), radios),
      h('label', { class: 'stacked' }, h('span', null, t('note')), h('textarea', {
        name: 'note', rows: 2, dir: 'auto', value: unsaved.get(n) ?? noteOn(n), placeholder: t('note_hint'),
      })),
      missing,
    ],
    submit: (form) => {
      const reason = form.elements.reason.value;
      if (reason) return settle(n, 'reject', { reason, note: tidy(form.elements.note.value) });
      refill(missing, t('reason_needed'));
      radios[0].querySelector('input').focus();
      return false;
    },
  }), n);
  box.addEventListener('keydown', (event) => {
    const at = DIGITS.indexOf(event.key);
    if (event.target.tagName === 'TEXTAREA' || at < 0 || !radios[at] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const radio = radios[at].querySelector('input');
    radio.checked = true;
    refill(missing);
    radio.focus();
  });
}

function openNote() {
  if (!isDecidable(current)) return;
  const n = current;
  keepTyped(openBox({
    title: t('note_title'), ok: t('save_note'), key: SAVE_KEY,
    body: h('label', { class: 'stacked' }, h('span', { class: 'aside' }, t(decisions.has(n) ? 'note_hint' : 'note_hint_waits')),
      h('textarea', { name: 'note', rows: 4, dir: 'auto', value: unsaved.get(n) ?? noteOn(n), 'aria-label': t('note') })),
    submit: (form) => {
      annotate(n, form.elements.note.value);
      refind();
      showReading();
      say(t(!noteOn(n) ? 'said_no_note' : decisions.has(n) ? 'said_note' : 'said_note_waits'));
    },
  }), n);
}

const nameInput = () => h('label', { class: 'stacked' }, h('span', null, t('your_name')),
  h('input', { type: 'text', name: 'editor', 'aria-label': t('your_name'), value: liked.editor, required: true, maxlength: 120, autocomplete: 'name', dir: 'auto' }));

/** The name in a form; nothing of a blank one, and the form says so. */
function nameIn(form) {
  const input = form.elements.editor;
  const name = input.value.normalize('NFC').trim().replace(/\s+/g, ' ');
  input.setCustomValidity(name ? '' : t('name_needed'));
  input.addEventListener('input', () => input.setCustomValidity(''), { once: true });
  form.reportValidity();
  return name;
}

/** Take the name in a form, and show whose decisions are whose now. False where there is none. */
function takeName(form) {
  const name = nameIn(form);
  if (!name) return false;
  callReader(name);
  return true;
}

function callReader(name) {
  rename(name);
  $('asking').hidden = true;
  refind();
  if (mode !== 'edit') showReading();
  showSide();
}

/** Whose decisions they are. */
function openName() {
  openBox({ title: t('name_title'), ok: t('save'), body: [nameInput(), h('p', { class: 'aside' }, t('name_hint'))], submit: takeName });
}

/**
 * After the first decision its reader is asked for a name, once: whatever comes of it, the decision is kept. The cursor is in the line as
 * long as it is there, since a name that is typed beside it would be keys that decide. Where fingers write it takes no half of the screen.
 */
let isNamePutOff = false;
const isTouched = matchMedia('(hover: none) and (pointer: coarse)');

function askName() {
  if (liked.editor || isNamePutOff || !$('asking').hidden) return;
  $('asking').hidden = false;
  refill($('name-first'), t('name_first')); // once it is there, so that it is read out
  if (isTouched.matches) return;
  const begin = () => $('asking').elements.editor.focus({ preventScroll: true });
  const box = document.querySelector('dialog[open]'); // closing, it gives the cursor back to where it was
  if (box) box.addEventListener('close', begin, { once: true });
  else begin();
}

function showAsking() {
  refill($('asking'), h('p', { role: 'status', id: 'name-first' }, t('name_first')), nameInput(),
    h('button', { type: 'submit', class: 'primary' }, t('save'), h('kbd', { 'aria-hidden': 'true' }, '↵')),
    button(t('later'), { class: 'quiet', click: leaveAsking }, { key: 'Esc' }));
  $('asking').setAttribute('aria-label', t('name_title'));
}

function leaveAsking() {
  putNameOff();
  $('list').focus({ preventScroll: true });
}

function putNameOff() {
  isNamePutOff = true;
  $('asking').hidden = true;
}

/** A click elsewhere takes the cursor away: with the name, if there is one. After the click, or it would hit what moves below it. */
function leaveAskingAt(event) {
  const form = $('asking');
  if (form.hidden || form.contains(event.target) || isTouched.matches) return;
  setTimeout(endAsking);
}

function endAsking() {
  if ($('asking').elements.editor.value.trim()) takeName($('asking'));
  else putNameOff();
}

function wireAsking() {
  $('asking').addEventListener('submit', (event) => {
    event.preventDefault();
    if (!event.target.elements.editor.value.trim()) leaveAsking();
    else if (takeName(event.target)) $('list').focus({ preventScroll: true });
  });
  $('asking').noValidate = true; // nothing is said of a blank: it is later
  document.addEventListener('click', leaveAskingAt, true);
  $('asking').addEventListener('keydown', ({ key }) => {
    if (key === 'Tab') setTimeout(() => $('asking').hidden || $('asking').contains(document.activeElement) || endAsking());
  });
}

function openExport() {
  if (!keepingFailed && isBehind()) {
    restore();
    refind();
  }
  const waiting = decidable.filter(hasDraft).length;
  if (!decisions.size && !imported.size) return say(t(waiting ? 'only_notes' : 'nothing_to_export'), 'bad', 7000);
  const tally = Object.fromEntries(VERBS.map((verb) => [verb, 0]));
  for (const { decision } of decisions.values()) tally[decision.action] += 1;
  const copied = h('p', { class: 'aside', role: 'status' });
  const withName = (form, go) => {
    const name = nameIn(form);
    if (!name) return false;
    callReader(name);
    go(exportedText());
    showBar();
    return true;
  };
  const box = openBox({
    title: t('export_title'), ok: t('download'), kind: 'exporting',
    body: [h('p', null, t('export_words', { ...tally, others: [...imported.values()].reduce((sum, { size }) => sum + size, 0) })), nameInput(), h('p', { class: 'aside' }, t('export_hint')),
      waiting > 0 && h('p', { class: 'staying' }, t('staying', { count: waiting }), t('gap'), button(t('show_them'), { class: 'link', click: () => {
        box.close();
        showWaiting();
      } })), copied],
    extra: button(t('copy'), { class: 'plain', click: (event) => withName(event.target.closest('form'), async (text) => {
      if (await copy(text)) refill(copied, t('copied'));
      else showToCopy(copied, text);
    }) }),
    submit: (form) => withName(form, (text) => {
      download(text, fileName());
      say(t('exported', { name: fileName() }), '', 9000);
    }),
  });
  return box.querySelector(liked.editor ? 'button.primary' : 'input').focus();
}

/** The texts with a note or a draft and no decision: no export has them. */
function showWaiting() {
  clearFilters();
  Object.assign(wanted, { outcome: ALL, state: 'draft' });
  refind();
  $('list').focus({ preventScroll: true });
}

/** The last way out: a text that its reader copies by hand. */
function showToCopy(place, text) {
  const area = h('textarea', { readonly: true, rows: 5, value: text, 'aria-label': t('export_title') });
  refill(place, t('copy_by_hand'), area);
  area.select();
}

async function importFile(input) {
  const [file] = input.files;
  if (!file) return;
  const report = importText(await file.text());
  input.value = '';
  putInOrder();
  refind();
  showReading();
  showSide();
  const editors = [...report.editors].filter(Boolean);
  const lines = [
    [t('import_taken', { count: report.taken, editors: editors.map(isolated).join(', ') }), true],
    [t('import_same', { count: report.same }), report.same],
    [t('import_older', { count: report.older }), report.older],
    [t('import_elsewhere', { count: report.elsewhere }), report.elsewhere],
    [t('import_unknown', { count: report.unknown.length, ids: some(report.unknown) }), report.unknown.length],
    [t('import_changed', { count: report.changed.length, ids: some(report.changed.map((n) => rows[n].brief)) }), report.changed.length],
    [t('import_reasonless', { count: report.reasonless.length, ids: some(report.reasonless) }), report.reasonless.length],
    [t('import_broken', { count: report.broken.length, lines: some(report.broken) }), report.broken.length],
  ];
  const box = openBox({
    title: t('import_title', { name: file.name }), ok: t('close'), cancel: false,
    extra: !liked.editor && editors.length === 1 && button(t('i_am', { name: isolated(editors[0]) }), { class: 'plain', click: () => {
      callReader(editors[0]);
      box.close();
    } }),
    body: h('ul', { class: 'report' }, lines.filter(([, isSaid]) => isSaid).map(([words]) => h('li', { dir: 'auto' }, words))),
  });
  box.querySelector('button.primary').focus(); // not on a name that may be another's
}

const MOST_NAMED = 5;
const some = (names) => names.slice(0, MOST_NAMED).join(', ') + (names.length > MOST_NAMED ? ', …' : '');

function openHelp() {
  const keys = KEYS.map(([names, word]) => h('tr', null,
    h('td', null, names.map((name) => h('kbd', null, name))), h('td', null, t(word))));
  openBox({
    title: t('help'), ok: t('close'), cancel: false, kind: 'wide',
    body: [
      h('div', { class: 'help' },
        h('table', null, h('tbody', null, keys)),
        h('div', null, ['help_decide', 'help_kept', 'help_back', 'help_private'].map((word) => h('p', null, t(word))))),
      h('label', { class: 'check' }, h('input', {
        type: 'checkbox', checked: liked.keys, change: (event) => like({ keys: event.target.checked }),
      }), h('span', null, t('keys_on'))),
      h('p', { class: 'aside' }, [about.made_by, t('run', { id: about.run_id })].filter(Boolean).join(' · ')),
    ],
  });
}

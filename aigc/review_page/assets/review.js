// What a reader does: go from text to text, decide, take back.

let found = [];
let current = -1;
let lastPlace = 0;

/** Read row `n`. */
function read(n) {
  if (n === undefined || n < 0 || n === current) return;
  const before = current;
  if (mode === 'edit') putAside();
  const isSameBrief = before >= 0 && variantsOf(before).includes(n);
  current = n;
  lastPlace = Math.max(found.indexOf(n), 0);
  markCurrent(before);
  showReading();
  showSide();
  if (!(isSameBrief && mode === 'compare')) toTop($('scroll'));
  bringText();
  keepPlace();
}

const isNarrow = matchMedia('(max-width: 52rem)');

/** In a narrow window the text stands below the list: bring its start into view. */
function bringText() {
  if (!isNarrow.matches) return;
  const { top } = $('reading').getBoundingClientRect();
  if (top < 0 || top > innerHeight / 3) $('reading').scrollIntoView({ block: 'start' });
}

const keepPlaceNow = () => keep(`${HERE}place`, { id: rows[current]?.id, wanted });
const keepPlace = after(300, keepPlaceNow);

/** Leave an edit as it is: its draft is kept. */
function putAside() {
  const n = current;
  if (!edited(n).isSame) saveDraft(n, structuredClone(draft));
  mode = 'read';
  draft = null;
  repaintRow(n);
}

function move(step) {
  const place = found.indexOf(current);
  const next = place < 0 ? lastPlace : place + step;
  if (next < 0 || next >= found.length) return say(t(step > 0 ? 'at_end' : 'at_start'));
  return read(found[next]);
}

/** The next row in the list that nobody has decided on, from the top again after the last. */
function nextOpen(n) {
  const place = found.indexOf(n);
  return found.slice(place + 1).find(isOpen) ?? found.slice(0, Math.max(place, 0)).find(isOpen);
}

function readNextOpen() {
  const next = nextOpen(current);
  if (next === undefined) say(t('none_open'));
  else read(next);
}

/** Filter anew, and go on reading `next` if it is still there. */
function refind(next = current) {
  const before = found;
  const result = find();
  found = result.found;
  showFilters(result.counts);
  const isSame = before.length === found.length && found.every((n, i) => n === before[i]);
  if (isSame) for (const n of [...inView.values()].map((row) => Number(row.dataset.n))) repaintRow(n);
  else showList();
  showFound();
  showBar();
  if (mode === 'edit') markCurrent(current);
  else goTo(found.includes(next) ? next : found[Math.min(lastPlace, found.length - 1)] ?? -1);
}

function goTo(next) {
  const old = current;
  current = next;
  if (next === old) return markCurrent(old);
  lastPlace = Math.max(found.indexOf(next), 0);
  markCurrent(old);
  showReading();
  showSide();
  toTop($('scroll'));
  return keepPlace();
}

/** Row `n` was decided on or opened again: only where the list shows some decisions alone does that change the list. */
function refresh(n, next) {
  if (wanted.state !== ALL || searched.length) return refind(next);
  goTo(next);
  repaintRow(n);
  showFound();
  showBar();
  return recount();
}

const recount = after(150, () => showFilters(find().counts));

/** Decide on the text that is read, and go on to the next that is open. */
function settle(verb, more) {
  const n = current;
  const before = decisionOn(n);
  const isOverDraft = verb !== 'edit' && drafts.has(n);
  const beside = mode === 'compare' ? variantsOf(n).find((other) => other !== n && isOpen(other) && found.includes(other)) : undefined;
  const next = beside ?? nextOpen(n);
  decide(n, verb, more);
  if (before?.action === 'edit' && verb !== 'edit') saveDraft(n, draftOf(n, before));
  refresh(n, next ?? n);
  if (current === n) {
    showReading();
    showSide();
  }
  const left = leftToDo();
  say(isOverDraft ? t(`said_${verb}_over_draft`) : left ? t(`said_${verb}`, { left }) : t('all_done'), verb);
  $('list').focus({ preventScroll: true });
  bringText();
  askName();
}

function approve() {
  if (current >= 0 && isDecidable(current)) settle('approve', {});
}

/** An edit as a draft, so that taking it back loses no words. */
const draftOf = (n, { text, fields, reason = '', note = '' }) => ({
  ...(fields ? { fields: fieldsOf(n).map(([name]) => [name, fields[name]]) } : { text }), reason, note,
});

/** Take back the decision on this text; where there is none, the one that was made last. */
function undo() {
  const n = decisions.has(current) ? current : lastDecided();
  if (n === undefined) return say(t('nothing_to_undo'));
  const { decision, exported } = takeBack(n);
  if (decision.action === 'edit') saveDraft(n, draftOf(n, decision));
  if (decision.note) annotate(n, decision.note);
  refresh(n, found.includes(n) ? n : current);
  if (current !== n) read(n);
  showReading();
  showSide();
  return say(t(exported ? 'undone_exported' : 'undone'));
}

const toReview = rows.map((_, n) => n).filter(isForReview);
const leftToDo = () => toReview.reduce((left, n) => left + isOpen(n), 0);

/** The bar at the top: how far it is, and what has not been exported. */
function showBar() {
  const total = toReview.length;
  const done = total - leftToDo();
  const tally = Object.fromEntries(VERBS.map((verb) => [verb, 0]));
  for (const { decision } of decisions.values()) tally[decision.action] += 1;
  for (const n of toReview) if (isSettled(n) && !decisions.has(n)) tally[STANDS[rows[n].stands]] += 1;
  const width = Math.max(total, decisions.size, 1);
  refill($('track'), VERBS.map((verb) => {
    const part = h('span', { class: verb });
    part.style.width = `${(100 * tally[verb]) / width}%`;
    return part;
  }));
  for (const [name, value] of [['valuemax', Math.max(total, 1)], ['valuenow', done], ['valuetext', t('progress', { done, total })]]) {
    $('track').setAttribute(`aria-${name}`, value);
  }
  $('track').setAttribute('aria-label', t('progress_label'));
  $('track').title = t('tally', tally);
  $('track-words').textContent = t('progress', { done, total });
  const waiting = unexported();
  refill($('export'), t('export'), waiting > 0 && h('span', { class: 'count', title: t('unexported', { count: waiting }) }, number(waiting)));
  $('finished').hidden = done < total || !total || !waiting;
  refill($('who'), liked.editor ? foreign(liked.editor) : t('your_name'));
  $('who').title = t('name_title');
  $('who').classList.toggle('wanting', !liked.editor);
}

let toastTimer = 0;

/** Say something in passing. */
function say(words, kind = '', shown_ms = 4000) {
  const toast = $('toast');
  clearTimeout(toastTimer);
  toast.className = `toast shown ${kind}`;
  refill(toast, words);
  toastTimer = setTimeout(() => { toast.className = 'toast'; }, shown_ms);
}

/** What is wrong with keeping decisions, until it is right again. */
function showNotice() {
  const notice = $('notice');
  notice.hidden = !keepingFailed;
  if (keepingFailed) notice.textContent = t(`keeping_${keepingFailed}`);
}

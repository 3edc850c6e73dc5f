// Beside the text: why it needs eyes, what was asked for, and where it comes from.

function showSide() {
  $('side').setAttribute('aria-label', t('beside'));
  if (current < 0) return refill($('side'));
  const all = shown(current);
  refill($('side'), beforeSection(current), objectionSection(all), briefSection(current, all), attemptSection(current, all), originSection(current, all));
  return toTop($('side'));
}

/** What editors decided before, each with its words in full, and a button that takes it. */
function beforeSection(n) {
  if (!offeredOn(n).length) return null;
  const cards = wishesOn(n).flatMap((wish, i) => wish.said.filter(({ isOwn }) => !isOwn).map((decision, at) => h('li', { class: `card ${decision.action}` },
    h('p', { class: 'card-top' }, h('b', null, foreign(decision.editor)), h('span', { class: `action ${decision.action}` }, t(`state_${decision.action}`))),
    h('p', { class: 'aside' }, [time(decision.at), decision.reason && reasonWords(decision.reason)].filter(Boolean).join(' · ')),
    decision.note && h('p', { dir: 'auto' }, decision.note),
    decision.action === 'edit' && ['changes', 'edited'].map((chosen) => h('details', null,
      h('summary', null, t(`form_${chosen}`)), wordsIn(n, decision, chosen))),
    at === 0 && takeButton(n, wish, i))));
  return section(t(isInConflict(n) ? 'before_conflict' : 'before_this'), h('ul', { class: 'cards' }, cards));
}

/** Whether advice that a filter gives in Chinese is for this reader; what it found is in English. */
const isChinese = (advice) => language === 'zh' && /[\u4e00-\u9fff]/.test(advice || '');

const section = (title, ...inside) => h('section', { class: 'beside' }, h('h2', null, title), inside);

function objectionSection(all) {
  const objections = all.objections || [];
  const shownOnes = objections.map((objection, at) => [objection, at]);
  shownOnes.sort(([one], [other]) => STRENGTHS.indexOf(one.action) - STRENGTHS.indexOf(other.action));
  if (!shownOnes.length) return null;
  return section(t('why'), h('ul', { class: 'cards' }, shownOnes.map(([objection, at]) => card(objection, at, all.text))));
}

function card(objection, at, text) {
  const { action, reason, filter, message, advice, measured, limit, spans = [] } = objection;
  const hasFigures = measured !== undefined && limit !== undefined && String(measured) !== '' && String(limit) !== '';
  return h('li', { class: `card ${action}`, id: `objection-${at}` },
    h('p', { class: 'card-top' }, h('b', { title: idOf(objection) }, reason ? codeWords(reason) : filterWords(filter)),
      h('span', { class: `action ${action}` }, t(`action_${action}`))),
    isChinese(advice) && h('p', { lang: 'zh' }, advice),
    message && h('p', { dir: 'auto', class: isChinese(advice) ? 'aside' : null }, message),
    hasFigures && h('p', { class: 'aside' }, t('measured', { measured: figure(measured), limit: figure(limit) })),
    spans.length > 0 && h('ul', { class: 'quotes' }, quotes(text, spans).map((quote) => h('li', null, h('button', {
      type: 'button', class: 'quote', click: () => pointAt(at),
    }, foreign(quote))))));
}

/** What programs call it: the filter, and its reason where that is another word. */
const idOf = ({ filter, reason }) => [...new Set([filter, reason].filter(Boolean))].join(': ');

const MOST_QUOTES = 3;
const QUOTE_CHARS = 80;
const figure = (value) => (typeof value === 'number' ? number(Math.round(value * 1000) / 1000) : value);

function quotes(text, spans) {
  const units = toUnits(text, spans.flat());
  const found = spans.map((_, i) => text.slice(units[2 * i], units[2 * i + 1]).replace(/\s+/g, ' ').trim());
  const short = [...new Set(found.filter(Boolean))].slice(0, MOST_QUOTES);
  return short.map((quote) => (quote.length > QUOTE_CHARS ? `${[...quote].slice(0, QUOTE_CHARS).join('')}…` : quote));
}

/** Bring what a verdict points at into view. Where no field holds it, the laid-out text does. */
function pointAt(at) {
  const found = () => $('body').querySelector(`mark[data-at~="${at}"]`);
  const other = ['original', 'text'].find((name) => formsOf(current).includes(name));
  if (!found() && mode === 'read' && other) setForm(other);
  const mark = found();
  if (!mark) return say(t('not_shown'));
  mark.scrollIntoView({ block: 'center', behavior: calm() ? 'auto' : 'smooth' });
  for (const each of $('body').querySelectorAll(`mark[data-at~="${at}"]`)) {
    each.classList.add('lit');
    setTimeout(() => each.classList.remove('lit'), 1600);
  }
  return undefined;
}

const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** Bring the card of a mark into view. */
function pointBack(mark) {
  const cards = mark.dataset.at.split(' ').map((at) => $(`objection-${at}`)).filter(Boolean);
  cards[0]?.scrollIntoView({ block: 'nearest', behavior: calm() ? 'auto' : 'smooth' });
  for (const each of cards) {
    each.classList.add('lit');
    setTimeout(() => each.classList.remove('lit'), 1600);
  }
}

function briefSection(n, all) {
  const { brief: help = {}, names = {} } = about.help[rows[n].type] || {};
  const { min_words: least, max_words: most, keywords = [], must_not_mention: unwanted = [] } = all.limits || {};
  const entries = [
    ...Object.entries(all.brief || {}).map(([name, value]) => [named(name, names), value, help[name]]),
    [t('tone'), all.tone], [t('audience'), all.audience],
    [t('length_asked'), (least ?? most ?? null) === null || !isDecidable(n) ? '' : limitWords(n, standingLength(n))],
    [t('keywords'), keywords], [t('must_not_mention'), unwanted],
  ].filter(([, value]) => value !== null && value !== undefined && String(value) !== '');
  if (!entries.length) return null;
  return section(t('brief'), h('dl', { class: 'brief' }, entries.map(([name, value, tip]) => [
    h('dt', { title: tip }, foreign(name)), h('dd', { dir: 'auto', lang: rows[n].language }, briefValue(value))])));
}

function briefValue(value) {
  if (Array.isArray(value)) return h('ul', null, value.map((entry) => h('li', { dir: 'auto' }, entry)));
  if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
  return typeof value === 'number' ? number(value) : value;
}

/** A length beside what was asked for: `132 words; 80 to 150 asked for`. */
function limitWords(n, count) {
  const { min_words: least, max_words: most } = shown(n).limits || {};
  const characters = isPerCharacter(rows[n].language);
  const isOut = (least && count < least) || (most && count > most);
  return h('span', { class: isOut ? 'out' : '' }, t('length_of', { count, least, most, characters }));
}

function attemptSection(n, all) {
  const others = all.others || [];
  if (!others.length) return null;
  return section(t('attempts'), others.map((other) => h('details', { class: 'attempt' },
    h('summary', null, t('attempt', { number: other.number + 1 }),
      h('span', { class: 'aside' }, (other.reasons || []).map(codeWords).join(' · '))),
    plainText(other.text, rows[n].language))));
}

function originSection(n, all) {
  const facts = [
    [t('source'), all.source], [t('row_name'), `${rows[n].brief}/${rows[n].variant}`], [t('record_id'), rows[n].id],
    [t('attempt_shown'), isDecidable(n) && number((all.attempt || 0) + 1)], [t('made_at'), all.made_at && time(all.made_at)],
    [t('model'), about.model],
  ].filter(([, value]) => value);
  return h('details', { class: 'beside origin' }, h('summary', null, t('origin')),
    h('dl', { class: 'brief' }, facts.map(([name, value]) => [h('dt', null, name), h('dd', null, foreign(value))])));
}

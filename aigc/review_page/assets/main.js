// The page begins.

const THEMES = ['auto', 'light', 'dark'];

function showTheme() {
  if (liked.theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = liked.theme;
  const chooser = refill($('theme'), icon(liked.theme));
  chooser.setAttribute('aria-label', t(`theme_${liked.theme}`));
  chooser.title = t(`theme_${liked.theme}`);
}

/** All words of the interface in the language that is set. */
function showWords() {
  setLanguage(language);
  $('run').textContent = [about.run_id, about.share, about.part > 1 && t('part', { number: about.part })].filter(Boolean).join(' · ');
  $('language').textContent = t('other_language');
  $('language').lang = language === 'zh' ? 'en' : 'zh-Hans';
  refill($('help'), icon('help'));
  for (const [id, word] of [['help', 'help'], ['list-pane', 'list'], ['finder', 'finder'], ['query', 'search']]) $(id).setAttribute('aria-label', t(word));
  $('help').title = t('help');
  $('query').placeholder = t('search');
  $('import').textContent = t('import');
  showAsking();
  $('finished-export').textContent = t('export');
  $('import').title = t('import_hint');
  showTheme();
  showNotice();
}

function showAll() {
  showWords();
  showList();
  found = [];
  refind();
  showReading();
  showSide();
}

function wire() {
  $('list').addEventListener('scroll', lookAtList, { passive: true });
  new ResizeObserver(() => {
    lookAtList();
    markCurrent(current);
  }).observe($('list'));
  watchScroll($('scroll'));
  watchScroll($('side'));
  $('list').addEventListener('click', (event) => {
    const row = event.target.closest('.row');
    if (row) read(Number(row.dataset.n));
  });
  $('query').addEventListener('input', after(80, () => {
    search($('query').value);
    refind();
    if (mode === 'read') showReading();
  }));
  $('finder').addEventListener('submit', (event) => {
    event.preventDefault();
    $('list').focus();
  });
  $('clear').addEventListener('click', () => {
    clearFilters();
    refind();
    showReading();
    $('list').focus();
  });
  $('body').addEventListener('click', (event) => {
    const mark = event.target.closest('mark[data-at]');
    if (mark) pointBack(mark);
  });
  $('language').addEventListener('click', () => {
    language = language === 'zh' ? 'en' : 'zh';
    like({ language });
    showAll();
  });
  $('theme').addEventListener('click', () => {
    like({ theme: THEMES[(THEMES.indexOf(liked.theme) + 1) % THEMES.length] });
    showTheme();
  });
  $('help').addEventListener('click', openHelp);
  $('who').addEventListener('click', openName);
  wireAsking();
  for (const id of ['export', 'finished-export']) $(id).addEventListener('click', openExport);
  $('import').addEventListener('click', () => $('import-file').click());
  $('import-file').addEventListener('change', (event) => importFile(event.target));
  document.addEventListener('keydown', onKey);
  window.addEventListener('resize', after(100, () => {
    measureRows();
    showList();
    markCurrent(current);
    fitAreas();
  }));
  window.addEventListener('beforeunload', (event) => {
    if (mode === 'edit') putAside();
    keepPlaceNow();
    if (unexported() || (keepingFailed && drafts.size + notes.size) || unsaved.size) event.preventDefault();
  });
  for (const [target, event] of [[window, 'focus'], [document, 'visibilitychange']]) {
    target.addEventListener(event, () => !document.hidden && isBehind() && catchUp());
  }
  window.addEventListener('storage', (event) => {
    if (event.key === `${HERE}place`) return; // where another window reads is nothing to this one
    if (event.key === null || event.key.startsWith(HERE) || event.key === `${OURS}liked`) catchUp();
  });
}

/** Another window of this page has decided. Where this one could not keep all that it has, it keeps to that. */
const catchUp = after(200, () => {
  if (keepingFailed) return;
  liked.editor = about.editor || kept(`${OURS}liked`)?.editor || liked.editor; // or each window would take the other's for a colleague's
  restore();
  putInOrder();
  refind();
  if (mode !== 'edit') showReading();
  showSide();
});

function begin() {
  tryKeeping();
  restore();
  putInOrder();
  language = firstLanguage();
  measureRows();
  makeFilters();
  wire();
  const place = kept(`${HERE}place`);
  for (const name of NAMES) {
    const value = place?.wanted?.[name];
    if (value === ALL || OFFERED[name].includes(value)) wanted[name] = value;
  }
  showWords();
  refind(byId.get(place?.id) ?? -1);
  if (current < 0) {
    showReading();
    showSide();
  }
  $('list').focus({ preventScroll: true });
  performance.mark('ready');
}

begin();

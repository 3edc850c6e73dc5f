// Several texts of one brief: one after another, or beside each other. They count from 0, as in all other files of a run.

function variantSwitch(n) {
  const others = variantsOf(n);
  if (others.length < 2) return null;
  return h('div', { class: 'variants' },
    h('div', { class: 'switch', role: 'group', 'aria-label': t('variants') }, others.map((other) => h('button', {
      type: 'button', 'aria-pressed': String(other === n), click: () => read(other),
    }, t('variant', { number: rows[other].variant }), marksOf(other)))),
    mode !== 'edit' && h('button', {
      type: 'button', class: 'plain', 'aria-pressed': String(mode === 'compare'), 'aria-keyshortcuts': 'V', click: compare,
    }, icon('columns'), h('span', null, t('side_by_side')), h('kbd', { 'aria-hidden': 'true' }, 'V')));
}

/** Show the variants beside each other, or one again. */
function compare() {
  if (mode === 'edit' || current < 0 || (mode === 'read' && variantsOf(current).length < 2)) return;
  mode = mode === 'compare' ? 'read' : 'compare';
  showReading();
}

function columnsOf(n) {
  return h('div', { class: 'columns' }, variantsOf(n).map((other) => h('article', {
    class: `column ${other === n ? 'current' : ''}`, 'aria-current': other === n ? 'true' : null, 'data-n': other,
    'aria-label': t('variant', { number: rows[other].variant }),
    click: () => other !== current && !String(getSelection()) && read(other),
  },
  h('p', { class: 'kicker' }, h('b', null, t('variant', { number: rows[other].variant })),
    h('span', { class: `outcome ${outcomeClass(other)}`, title: t(`means_${outcomeClass(other)}`) }, outcomeWords(outcomeClass(other))),
    isDecidable(other) && h('span', null, t('length', {
      count: standingLength(other), characters: isPerCharacter(rows[other].language),
    })), isOthersEdit(other) && h('span', null, t('stands_by', { names: namesOf(wishesOn(other)[0].said), verb: 'edit' })), marksOf(other)),
  isDecidable(other) ? textOf(other, formOf(other)) : whyNothing(other))));
}

/** The variant before or after the one that is read. */
function moveVariant(step) {
  const others = variantsOf(current);
  const next = others[others.indexOf(current) + step];
  if (next !== undefined) read(next);
}

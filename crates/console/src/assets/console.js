// What the pages gain with a script: they follow what happens, and the keyboard moves in them. Without it everything works.
(() => {
  'use strict';
  const LEAST_PAUSE = 250;
  let loading = false, again = false;

  const touched = part => {
    const at = document.activeElement;
    const typing = at && part.contains(at) && /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
    return typing || [...part.querySelectorAll('input[type=checkbox]')].some(box => box.checked);
  };

  // Puts the fresh parts of the page in the place of the old ones. Open details, the place and what is being typed stay.
  async function refresh() {
    if (document.hidden || loading) { again = true; return; }
    loading = true; again = false;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { 'X-Live': '1' }, credentials: 'same-origin', redirect: 'error' });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
        for (const old of document.querySelectorAll('[data-live]')) {
          const next = fresh.getElementById(old.id);
          if (!next || touched(old) || old.innerHTML === next.innerHTML) continue;
          const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
          for (const open of old.querySelectorAll('details[open][id]')) {
            const same = next.querySelector('#' + CSS.escape(open.id));
            if (same) same.open = true;
          }
          old.replaceChildren(...next.childNodes);
          if (focused) old.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
        }
        mark();
      }
    } catch { /* The next change tries again. */ }
    // A page that is costly to make is asked for less often.
    setTimeout(() => { loading = false; if (again) refresh(); }, Math.max(LEAST_PAUSE, 4 * (performance.now() - began)));
  }
  if (document.querySelector('[data-live]')) {
    const live = new EventSource('/live');
    live.onmessage = refresh;
    document.addEventListener('visibilitychange', () => { if (!document.hidden && again) refresh(); });
    setInterval(refresh, 30000);
    addEventListener('pagehide', () => live.close());
  }

  // j and k move over rows, Enter opens.
  let row = -1;
  const rows = () => [...document.querySelectorAll('[data-row]')];
  function mark() { rows().forEach((one, place) => one.classList.toggle('at', place === row)); }
  function move(by) {
    const all = rows();
    if (!all.length) return;
    row = Math.max(0, Math.min(all.length - 1, row + by));
    mark();
    all[row].scrollIntoView({ block: 'nearest' });
  }
  const help = document.getElementById('help');
  const places = { o: '/', t: '/transactions', q: '/queues' };
  let going = 0;
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) { if (event.key === 'Escape') at.blur(); return; }
    if (Date.now() - going < 1000 && places[event.key]) { going = 0; location.assign(places[event.key]); return; }
    going = 0;
    switch (event.key) {
      case 'j': move(1); break;
      case 'k': move(-1); break;
      case 'x': rows()[row]?.querySelector('input[type=checkbox]')?.click(); break;
      case 'Enter': {
        if (/^(A|BUTTON|SUMMARY)$/.test(at.tagName)) return;
        const one = rows()[row];
        if (one) location.assign((one.matches('a') ? one : one.querySelector('a')).href);
        break;
      }
      case '/': {
        const search = document.querySelector('input[type=search]');
        if (search) { search.focus(); search.select(); } else location.assign('/transactions#search');
        break;
      }
      case 'g': going = Date.now(); return;
      case '?': if (help) help.open ? help.close() : help.showModal(); break;
      default: return;
    }
    event.preventDefault();
  });
  if (location.hash === '#search') document.querySelector('input[type=search]')?.focus();
  // A click anywhere in a row of a table opens it.
  addEventListener('click', event => {
    const one = event.target.closest('tr[data-row]');
    if (one && !event.target.closest('a, input, button, label') && !getSelection().toString()) one.querySelector('a')?.click();
  });
  document.getElementById('all')?.addEventListener('change', event => {
    for (const box of document.querySelectorAll('input[name=item]')) box.checked = event.target.checked;
  });
  // An action that needs a note asks for it before it goes out.
  addEventListener('submit', event => {
    if (!event.submitter?.hasAttribute('data-note')) return;
    const note = event.target.elements.note;
    if (note && !note.value.trim()) {
      event.preventDefault();
      note.setAttribute('aria-invalid', 'true');
      note.placeholder = 'Please say in a sentence why';
      note.focus();
    }
  });
})();

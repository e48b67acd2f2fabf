// dhat_view.js VIEWER FILE - load FILE as valgrind's dh_view.js would: its own checks and tree, without a page.
'use strict';
const fs = require('fs');
const vm = require('vm');

const page = {addEventListener() {}, createElement() { return {}; }, body: {}};
const context = vm.createContext({document: page, window: {addEventListener() {}}, location: {search: ''}, console, Intl});
const data = fs.readFileSync(process.argv[3], 'utf8');
vm.runInContext(fs.readFileSync(process.argv[2], 'utf8') + `
;globalThis.load = text => {
	gData = JSON.parse(text);
	gSelect = {childNodes: gSelectData.map(() => ({})), selectedIndex: 0};
	buildTree();
	return gRoot;
};`, context);
const root = context.load(data);
const width = node => node._kids ? node._kids.length : 0;
console.log(JSON.stringify({bytes: root._totalBytes, blocks: root._totalBlocks, peak: root._atTGmaxBytes,
	end: root._atTEndBytes, kids: width(root)}));

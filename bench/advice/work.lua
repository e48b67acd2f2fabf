-- work.lua TEXT - count words and pairs of words, keep the longest lines, join what is left.
local count, pairs_of, lines = {}, {}, {}
for line in io.lines(arg[1]) do
	local last
	local words = {}
	for word in line:gmatch("%a+") do
		count[word] = (count[word] or 0) + 1
		if last then
			local key = last .. " " .. word
			pairs_of[key] = (pairs_of[key] or 0) + 1
		end
		words[#words + 1] = { word = word, at = #words }
		last = word
	end
	lines[#lines + 1] = words
	if #lines > 4000 then
		table.sort(lines, function(a, b) return #a > #b end)
		for i = 2001, #lines do lines[i] = nil end
	end
end
local all = {}
for key, n in pairs(pairs_of) do
	if n > 1 then all[#all + 1] = key end
end
table.sort(all)
print(#all, #table.concat(all, ","), #lines)

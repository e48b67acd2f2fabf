# work.rb ROWS.json - regroup rows three times.
require "json"
rows = JSON.parse(File.read(ARGV[0]))
by = Hash.new { |hash, key| hash[key] = [] }
3.times do
  rows.each { |row| by[row["name"][0, 2]] << row.merge("all" => row["tags"].map(&:upcase).join(" ")) }
  by.each { |key, some| by[key] = some.sort_by { |row| row["all"] }.first(50) }
end
puts by.size, JSON.generate(by).size

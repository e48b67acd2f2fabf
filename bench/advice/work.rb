# work.rb ROWS.json - as a service does: three requests, each of which regroups rows, and a wait after each.
require "json"

def answer(path)
  by = Hash.new { |hash, key| hash[key] = [] }
  JSON.parse(File.read(path)).each { |row| by[row["name"][0, 2]] << row.merge("all" => row["tags"].map(&:upcase).join(" ")) }
  by.each { |key, some| by[key] = some.sort_by { |row| row["all"] }.first(50) }
  JSON.generate(by).size
end

3.times do
  puts answer(ARGV[0])
  sleep 0.2
end

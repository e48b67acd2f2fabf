-- What tools/demo has sqlite3 do in memory: fill, index, group, join, change, delete.
create table t(id integer primary key, word text, n integer);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 100000)
  insert into t select i, 'word ' || (i * 7919 % 10007), i % 97 from c;
create index t_word on t(word);
select count(distinct word), sum(n) from t;
select n, count(*), length(group_concat(word)) from t group by n order by 2 desc, 1 limit 3;
select count(*) from t a join t b on a.word = b.word where a.n < b.n;
create table u as select word, json_group_array(n) as all_n from t group by word;
select count(*), sum(json_array_length(all_n)) from u;
update t set word = word || ' again' where n < 30;
delete from t where id % 3 = 0;
select max(word), count(*) from t;

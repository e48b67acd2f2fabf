-- query.sql - fill a database in memory, index it, join, aggregate, delete.
create table item(id integer primary key, name text, size integer, note text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)
insert into item select i, printf('name-%x', i * 7919 % 4001), i * i % 997,
	substr(hex(i * 2654435761), 1, 1 + i % 12) from n;
create index by_name on item(name);
create index by_size on item(size, note);
select count(*), sum(size), min(name), max(note) from item;
select a.size, count(*), group_concat(distinct b.note)
	from item a join item b on b.size = a.size + 1 and b.note > a.note
	where a.id < 300 group by a.size order by 2 desc, 1 limit 10;
update item set note = note || name where id % 3 = 0;
delete from item where id % 5 = 0;
select length(note), count(*) from item group by 1 order by 1;
pragma integrity_check;

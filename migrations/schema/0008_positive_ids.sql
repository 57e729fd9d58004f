-- Servers read the id of a comment as a number above 0, and 0 as no comment. Rows that are there
-- are not checked.
alter table tidings.comments add constraint comments_id_positive check (id > 0) not valid;

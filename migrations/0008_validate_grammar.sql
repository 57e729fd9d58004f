-- Reads what 0007 took on trust. A transaction of its own: that one's locks are gone.

alter table tidings.users validate constraint users_id_grammar;
alter table tidings.posts validate constraint posts_id_grammar;
alter table tidings.posts validate constraint posts_author_grammar;
alter table tidings.comments validate constraint comments_author_grammar;
alter table tidings.likes validate constraint likes_user_grammar;

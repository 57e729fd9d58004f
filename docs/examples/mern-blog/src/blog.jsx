// The page of the blog. A comment "Socket.IO:" shows the line of a Socket.IO tutorial that the line below replaces.
import { useEffect, useReducer, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Tidings } from '@tidings-live/client';

// Socket.IO: const socket = io({ auth: { token } })
const tidings = new Tidings({ getToken: async () => (await fetch('/token')).json() });

/** Opens something that follows events, draws again when it changes, and closes it. */
function useLive(open, about) {
  const [live, show] = useState(null);
  const [, redraw] = useReducer((n) => n + 1, 0);
  useEffect(() => {
    const one = open();
    one.on('change', redraw);
    show(one);
    return () => one.close();
  }, [about]);
  return live;
}

/** The number of comments of each post. */
function useCounts(posts) {
  const [counts, set] = useState({});
  useEffect(() => {
    // Socket.IO: socket.on('commentCount', ({ post, count }) => …), and io.emit('commentCount', …) after each insert
    const off = tidings.on('comment-count', ({ data }) => set((all) => ({ ...all, [data.postId]: data.count })));
    // Socket.IO: posts.forEach((post) => socket.emit('join', post.id)), and socket.join(id) on the server
    for (const { id } of posts) tidings.subscribe(`post:${id}`);
    if (posts.length) {
      tidings.counts(posts.map(({ id }) => id)).then((read) => {
        set((all) => ({ ...Object.fromEntries(Object.entries(read).map(([id, { comments }]) => [id, comments])), ...all }));
      });
    }
    return () => {
      off();
      // Socket.IO: socket.emit('leave', post.id)
      for (const { id } of posts) tidings.unsubscribe(`post:${id}`);
    };
  }, [posts]);
  return counts;
}

function Comment({ thread, comment, children }) {
  const { id, author, body, status, likeCount, liked, pending, failed } = comment;
  return <li className={pending ? 'pending' : ''}>
    <b>{author?.name ?? 'Somebody'}</b> {status === 'deleted' ? 'has deleted a comment' : body}{' '}
    {/* Socket.IO: socket.emit('like', id), a handler that writes, and socket.on('likeUpdate', …) */}
    <button className="like" onClick={() => thread.likeComment(id, !liked)}>{liked ? '♥' : '♡'} {likeCount}</button>
    {failed && <button onClick={() => thread.retry(id)}>Send again</button>}
    {children}
  </li>;
}

function Post({ post, user }) {
  // Socket.IO: axios.get(comments), socket.emit('join', post.id), socket.on('newComment', …), socket.on('commentDeleted', …),
  // and the same again in socket.on('connect'), because what was sent meanwhile is lost
  const thread = useLive(() => tidings.thread(post.id, { sort: 'oldest' }), post.id);
  const [text, write] = useState('');
  if (!thread) return null;
  const send = (event) => {
    event.preventDefault();
    // Socket.IO: axios.post(…) and io.to(post.id).emit('newComment', comment) in its handler
    thread.postComment(text);
    write('');
  };
  const { users, count } = thread.typing;
  return <article>
    <h2>{post.title}</h2>
    <p>{post.body}</p>
    <button className="like-post" onClick={() => thread.like(!thread.post.liked)}>{thread.post.liked ? '♥' : '♡'} {thread.post.likeCount}</button>
    <ul className="comments">
      {thread.comments.map((root) => <Comment key={root.id} thread={thread} comment={root}>
        {root.replies.length > 0 && <ul>{root.replies.map((one) => <Comment key={one.id} thread={thread} comment={one} />)}</ul>}
      </Comment>)}
    </ul>
    {thread.more && <button onClick={() => thread.loadMore()}>More comments</button>}
    {/* Socket.IO: socket.on('typing', …), socket.on('stopTyping', …), and a timer for each user */}
    <p className="typing">{count > 0 && `${users.map(({ name }) => name).join(', ')}${count > users.length ? ' and others' : ''} …`}</p>
    {user ? <form onSubmit={send}>
      {/* Socket.IO: onChange={() => socket.emit('typing', post.id)} */}
      <input aria-label="Your comment" value={text} required onChange={(e) => { write(e.target.value); thread.signalTyping(); }} />
      <button>Send</button>
    </form> : <p>Sign in to comment.</p>}
  </article>;
}

function Bell() {
  // Socket.IO: socket.join(userId), io.to(ownerId).emit('notification', …), and a table that keeps them for those who are away
  const inbox = useLive(() => tidings.inbox());
  const [open, toggle] = useReducer((is) => !is, false);
  if (!inbox) return null;
  return <div>
    <button className="bell" onClick={() => { toggle(); if (inbox.unread) inbox.markRead('all').catch(() => {}); }}>
      Notifications {inbox.unread > 0 && <span className="badge">{inbox.unread}</span>}
    </button>
    {open && <ul>{inbox.notifications.map(({ id, kind, actor, postId }) => <li key={id}>{actor.name}: {kind} ({postId})</li>)}</ul>}
  </div>;
}

function Blog() {
  const [posts, setPosts] = useState([]);
  const [current, choose] = useState(null);
  const [user, setUser] = useState(null);
  const counts = useCounts(posts);
  useEffect(() => {
    fetch('/posts').then((answer) => answer.json()).then(setPosts);
    return tidings.on('user', ({ data }) => setUser(data));
  }, []);
  const signIn = async ({ target }) => {
    await fetch(`/login/${target.value || 'nobody'}`, { method: 'POST' });
    // Socket.IO: socket.disconnect(), socket.auth = …, socket.connect()
    tidings.setToken(await (await fetch('/token')).json());
  };
  const post = posts.find(({ id }) => id === current);
  return <>
    <header>
      <h1>A blog</h1>
      {user && <Bell key={user} />}
      <select aria-label="User" value={user ?? ''} onChange={signIn}>
        <option value="">nobody</option><option value="ann">Ann</option><option value="ben">Ben</option><option value="cat">Cat</option>
      </select>
    </header>
    <nav>{posts.map(({ id, title }) => <button key={id} id={id} onClick={() => choose(id)}>{title} ({counts[id] ?? '…'})</button>)}</nav>
    {post && <Post key={post.id} post={post} user={user} />}
  </>;
}

createRoot(document.getElementById('blog')).render(<Blog />);

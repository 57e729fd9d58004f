package stream

// Names that Tidings itself gives. [EventKinds] describes each of them.
var (
	NewCommentName     = Name{"new-comment"}
	CommentUpdatedName = Name{"comment-updated"}
	CommentDeletedName = Name{"comment-deleted"}
	CommentCountName   = Name{"comment-count"}
	LikeUpdateName     = Name{"like-update"}
	PostUpdatedName    = Name{"post-updated"}
	PostDeletedName    = Name{"post-deleted"}
	NotificationName   = Name{"notification"}
	LikedName          = Name{"liked"}
	ModerationName     = Name{"moderation"}
	TypingName         = Name{"typing"}
	PresenceName       = Name{"presence"}

	ReadyName      = Name{"stream.ready"}
	GapName        = Name{"stream.gap"}
	CheckpointName = Name{"stream.checkpoint"}
	ExpiringName   = Name{"stream.expiring"}
	ByeName        = Name{"stream.bye"}
	PingName       = Name{"stream.ping"}
)

// userChangedName is the name of an event that no reader gets: a user has another name or
// avatar, or no row any more. The member actor of the data is the user now. The event has the
// zero Topic.
var userChangedName = Name{"user-changed"}

// An EventKind describes one event name that Tidings itself gives. Other names are
// free for tidings.publish.
type EventKind struct {
	Name Name
	// Durable events are rows of the log and carry an id. Events that are not durable
	// reach only readers that are live at that moment.
	Durable bool
	// LatestOnly events may be dropped in favor of a later one with the same topic,
	// name and target.
	LatestOnly bool
	// Control events describe the stream itself. Only this package writes them.
	Control bool
}

// EventKinds lists every event name that Tidings gives, in the order of the
// documentation. SQL, the docs, the browser code and the checker have tests that
// compare their names with this list.
var EventKinds = []EventKind{
	{Name: NewCommentName, Durable: true},
	{Name: CommentUpdatedName, Durable: true},
	{Name: CommentDeletedName, Durable: true},
	{Name: CommentCountName, Durable: true, LatestOnly: true},
	{Name: LikeUpdateName, Durable: true, LatestOnly: true},
	{Name: PostUpdatedName, Durable: true},
	{Name: PostDeletedName, Durable: true},
	{Name: NotificationName, Durable: true},
	{Name: LikedName, Durable: true},
	{Name: ModerationName, Durable: true},
	{Name: TypingName, LatestOnly: true},
	{Name: PresenceName, LatestOnly: true},
	{Name: ReadyName, Control: true},
	{Name: GapName, Control: true},
	{Name: CheckpointName, Control: true},
	{Name: ExpiringName, Control: true},
	{Name: ByeName, Control: true},
	{Name: PingName, Control: true},
}

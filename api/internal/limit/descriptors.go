package limit

// The result of descriptors is within these bounds, because a system may have no limit
// ("unlimited") or one that is too small to serve any reader.
const (
	minDescriptors = 100
	maxDescriptors = 1 << 20
)

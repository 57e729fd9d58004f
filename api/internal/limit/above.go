package limit

// Above returns the number of file descriptors that the process may open, and whether
// Streams asks for more readers than that.
func (c Config) Above() (files int, above bool) {
	files = descriptors()
	return files, files > 0 && c.Streams > files
}

package child

import (
	"fmt"
	"net"
)

// FreeAddress returns an address of 127.0.0.1 with a TCP port that is free now. The
// kernel chose the port, and rarely chooses the same one again soon, but nothing keeps
// another process from taking it before the child does.
func FreeAddress() (string, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return socket.Addr().String(), socket.Close()
}

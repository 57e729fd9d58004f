package child

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports that FreeAddress returns. They are below those that the kernel gives to clients
// and to listeners of port 0: from 32768 on Linux, from 49152 elsewhere. Such a socket
// would take the port before the child does.
const (
	firstPort = 20_000
	lastPort  = 32_767
)

// attempts bounds the ports that FreeAddress tries.
const attempts = 100

// FreeAddress returns an address of 127.0.0.1 with a random TCP port from 20000 to 32767
// that is free now. Nothing keeps another process from listening on it before the child
// does, but few programs choose ports in this range.
func FreeAddress() (string, error) {
	var errs []error
	for range attempts {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.N(lastPort-firstPort+1))
		socket, err := net.Listen("tcp", address)
		if err == nil {
			return address, socket.Close()
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("find a free port: %w", errors.Join(errs...))
}

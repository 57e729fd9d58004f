// Package child starts other programs as child processes and ends them: Postgres,
// Tidings itself, the servers that a benchmark compares. It also finds free addresses
// for them to listen on.
//
//	address, err := child.FreeAddress()
//	…
//	cmd := exec.Command(program, "serve", "--addr", address)
//	p, err := child.Start(cmd, syscall.SIGTERM)
//	…
//	err = p.Await(ctx, func() bool { return answers(address) })
//	…
//	err = p.Stop(syscall.SIGTERM, 20*time.Second)
//
// A child runs in a new process group. A Ctrl-C in the terminal therefore reaches
// this process alone, which can finish its own work before it stops its children.
//
// On Linux the kernel sends a child the signal given to Start when this process dies,
// even by SIGKILL. Other systems have no such signal: there a child outlives a parent
// that was killed, unless it watches a pipe, as Postgres does in package localpg.
package child

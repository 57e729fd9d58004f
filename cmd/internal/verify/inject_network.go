package verify

import (
	"context"

	"github.com/tidings-live/tidings/store/storetest/tcpproxy"
)

// endListeners ends the LISTEN connections of all instances, as an administrator or a
// pooler may do.
func (i *injector) endListeners(ctx context.Context) (bool, error) {
	return i.find(ctx, func() int {
		var ended int
		err := i.run.pool.QueryRow(ctx, `
			select count(pg_terminate_backend(pid))
			from pg_stat_activity
			where application_name = 'tidings listen'
				and datname = current_database()`,
		).Scan(&ended)
		if err != nil {
			return 0 // a connection of the pool may be from before a crash
		}
		return ended
	}), nil
}

// deafenListener drops all bytes of the LISTEN connection of an instance and leaves the
// connection open at both ends, as a firewall does that forgot the connection.
func (i *injector) deafenListener(ctx context.Context) (bool, error) {
	return i.find(ctx, i.instance().Listen.Blackhole), nil
}

// cutClients resets all client connections of an instance.
func (i *injector) cutClients(ctx context.Context) (bool, error) {
	return i.find(ctx, i.instance().Clients.Cut), nil
}

// stallClients delays all bytes between clients and an instance until the fault ends.
func (i *injector) stallClients(ctx context.Context) (bool, error) {
	clients := i.instance().Clients
	defer clients.Hold(tcpproxy.ToServer | tcpproxy.ToClient).Release()
	pause(ctx, i.length())
	return clients.Open() > 0, nil
}

// slowClients limits each client connection of an instance to 2,000 to 22,000 bytes a
// second.
func (i *injector) slowClients(ctx context.Context) (bool, error) {
	clients := i.instance().Clients
	clients.Limit(2_000 + i.random.IntN(20_000))
	defer clients.Limit(0)
	pause(ctx, i.length())
	return clients.Open() > 0, nil
}

package verify

import "context"

// killInstance kills an instance with SIGKILL and starts it again.
func (i *injector) killInstance(ctx context.Context) (bool, error) {
	instance := i.instance()
	if err := instance.Kill(); err != nil {
		return false, err
	}
	pause(ctx, i.length())
	return true, instance.Start(i.repair)
}

// rollingRestart stops each instance with SIGTERM and starts it again, one after the
// other, as a deployment does. An instance that does not stop is an error.
func (i *injector) rollingRestart(context.Context) (bool, error) {
	for _, instance := range i.cluster.Instances() {
		if err := instance.Stop(); err != nil {
			return false, err
		}
		if err := instance.Start(i.repair); err != nil {
			return false, err
		}
	}
	return true, nil
}

// crashPostgres ends Postgres as a power failure would and starts it again. What was
// acknowledged must survive.
func (i *injector) crashPostgres(ctx context.Context) (bool, error) {
	if err := i.cluster.CrashPostgres(i.repair); err != nil {
		return false, err
	}
	pause(ctx, i.length())
	if err := i.cluster.RestartPostgres(i.repair); err != nil {
		return false, err
	}
	return true, i.cluster.AwaitReady(i.repair)
}

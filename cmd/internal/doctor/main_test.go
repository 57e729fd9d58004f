package doctor

import (
	"testing"

	"github.com/tidings-live/tidings/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

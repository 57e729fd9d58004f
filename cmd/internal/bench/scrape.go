package bench

import (
	"context"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// gauges are the server's metrics by name, each summed over its labels.
type gauges map[string]float64

// gauges reads the server's /metrics. It returns nil if the server has none, as a server
// other than Tidings, or does not answer within 5 seconds.
func (t *target) gauges(ctx context.Context) gauges {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+"/metrics", nil)
	if err != nil {
		return nil
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		return nil
	}
	all := make(gauges, len(families))
	for name, includeChildren := range families {
		for _, m := range includeChildren.Metric {
			all[name] += valueOf(m)
		}
	}
	return all
}

// since returns the growth of a counter since before.
func (g gauges) since(before gauges, name string) int { return int(g[name] - before[name]) }

// valueOf returns the value of a counter or gauge.
func valueOf(m *dto.Metric) float64 {
	return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
}

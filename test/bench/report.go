package bench

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Row is one figure of one engine in one scenario.
type Row struct {
	Scenario string  `json:"scenario"`
	Trace    string  `json:"trace"` // its hash: figures are comparable while it stays the same
	Engine   string  `json:"engine"`
	Figure   string  `json:"figure"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	// Bound is what no algorithm goes below (or, of a count, what is exactly right),
	// and Ratio is Value by Bound. Nil: none is known.
	Bound *float64 `json:"bound"`
	Ratio *float64 `json:"ratio"`
	// Bar is what the figure has to meet, and Pass whether it does. The references
	// have none.
	Bar  string `json:"bar"`
	Pass *bool  `json:"pass"`
}

// Bar is what the product has to meet. Of the limits, those that are given hold.
type Bar struct {
	Scenario string   `json:"scenario"`
	Figure   string   `json:"figure"`
	Least    *float64 `json:"least"`   // of the value
	Most     *float64 `json:"most"`    // of the value
	MostBy   *float64 `json:"most_by"` // of the value by the bound
	Note     string   `json:"note"`    // what the bound means, where the figure does not tell
}

//go:embed bars.json
var barsJSON []byte

// readBars returns the bars of bars.json.
func readBars() ([]Bar, error) {
	var bars []Bar
	dec := json.NewDecoder(strings.NewReader(string(barsJSON)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&bars); err != nil {
		return nil, fmt.Errorf("bars.json: %w", err)
	}
	return bars, nil
}

// row makes a figure a row without a bar.
func (f figure) row(scenario, trace, engine string) Row {
	r := Row{Scenario: scenario, Trace: trace, Engine: engine, Figure: f.name, Value: f.value, Unit: f.unit}
	if f.bound > 0 {
		r.Bound, r.Ratio = new(f.bound), new(f.value/f.bound)
	}
	return r
}

// judge holds the product's rows against the bars. A bar that no row is for counts
// as missed: it becomes a row of its own.
func judge(rows []Row, bars []Bar) []Row {
	for _, b := range bars {
		met := false
		for i := range rows {
			r := &rows[i]
			if r.Engine == productName && r.Scenario == b.Scenario && r.Figure == b.Figure {
				r.Bar, r.Pass, met = b.String(), new(b.allows(*r)), true
			}
		}
		if !met {
			rows = append(rows, Row{Scenario: b.Scenario, Engine: productName, Figure: b.Figure, Bar: b.String() + " (not run)", Pass: new(false)})
		}
	}
	return rows
}

// allows reports whether a row meets the bar.
func (b Bar) allows(r Row) bool {
	switch {
	case math.IsNaN(r.Value),
		b.Least != nil && r.Value < *b.Least,
		b.Most != nil && r.Value > *b.Most,
		b.MostBy != nil && (r.Ratio == nil || *r.Ratio > *b.MostBy):
		return false
	}
	return true
}

// String returns the limits in words.
func (b Bar) String() string {
	var limits []string
	if b.Least != nil && b.Most != nil && *b.Least == *b.Most {
		return fmt.Sprintf("= %g", *b.Most)
	}
	if b.Least != nil {
		limits = append(limits, fmt.Sprintf(">= %g", *b.Least))
	}
	if b.Most != nil {
		limits = append(limits, fmt.Sprintf("<= %g", *b.Most))
	}
	if b.MostBy != nil {
		limits = append(limits, fmt.Sprintf("<= %g x bound", *b.MostBy))
	}
	return strings.Join(limits, ", ")
}

// missed returns the rows whose bar is missed.
func missed(rows []Row) []Row {
	var out []Row
	for _, r := range rows {
		if r.Pass != nil && !*r.Pass {
			out = append(out, r)
		}
	}
	return out
}

// writeTable writes rows for people: a line per figure, the engines side by side.
func writeTable(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	scenario := ""
	for i, r := range rows {
		if r.Engine != productName {
			continue
		}
		if r.Scenario != scenario {
			scenario = r.Scenario
			fmt.Fprintf(t, "\n%s\t(trace %s)\n", strings.ToUpper(scenario), r.Trace)
			fmt.Fprintf(t, "  figure\t%s\tbound\tratio\tbar\t\t%s\n", productName, strings.Join(references(rows, r.Scenario), "\t"))
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s", r.Figure, quantity(&r.Value, r.Unit), quantity(r.Bound, r.Unit), quantity(r.Ratio, ""), r.Bar, verdict(r.Pass))
		for _, o := range rows[i+1:] {
			if o.Scenario == r.Scenario && o.Figure == r.Figure {
				fmt.Fprintf(t, "\t%s", quantity(&o.Value, o.Unit))
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// references returns the names of the engines of a scenario that are no product.
func references(rows []Row, scenario string) []string {
	var names []string
	for _, r := range rows {
		if r.Scenario == scenario && r.Engine != productName && !slices.Contains(names, r.Engine) {
			names = append(names, r.Engine)
		}
	}
	return names
}

func quantity(v *float64, unit string) string {
	if v == nil {
		return ""
	}
	switch unit {
	case "":
		return fmt.Sprintf("%.3f", *v)
	case "calls":
		return fmt.Sprintf("%.0f calls", *v)
	}
	return fmt.Sprintf("%.2f %s", *v, unit)
}

func verdict(pass *bool) string {
	switch {
	case pass == nil:
		return ""
	case *pass:
		return "ok"
	}
	return "MISSED"
}

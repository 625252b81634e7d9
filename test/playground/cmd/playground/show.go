package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/test/playground"
)

// screen shows things the way a person at a terminal would see them.
type screen struct {
	out    io.Writer
	colour bool
	step   int
}

// headline begins a step.
func (s *screen) headline(title string) {
	s.step++
	s.styled("1", fmt.Sprintf("\n━━ %d. %s", s.step, title))
}

// say prints a sentence between commands.
func (s *screen) say(format string, args ...any) {
	s.styled("2", "# "+fmt.Sprintf(format, args...))
}

// command shows what a person would have typed.
func (s *screen) command(format string, args ...any) {
	s.styled("36", "$ "+fmt.Sprintf(format, args...))
}

// print shows output, indented by nothing and ended by exactly one newline.
func (s *screen) print(text string) {
	fmt.Fprintln(s.out, strings.TrimRight(text, "\n"))
}

func (s *screen) styled(code, text string) {
	if s.colour {
		text = "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	fmt.Fprintln(s.out, text)
}

// table shows rows in columns, as kubectl does.
func (s *screen) table(rows [][]string) {
	w := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
}

// listing is what `kubectl get` shows: a list as the API server tabulates it.
type listing struct {
	path      string // of the list or object in the API
	prefix    string // before each name, as in deployment.apps/echo0
	namespace bool   // with a column for it
}

// list asks the API server for a listing's rows, the header first.
func list(ctx context.Context, stack *playground.Stack, l listing) ([][]string, error) {
	raw, err := stack.Clientset().Discovery().RESTClient().Get().AbsPath(l.path).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	var table metav1.Table
	if err := json.Unmarshal(raw, &table); err != nil {
		return nil, fmt.Errorf("table of %s: %w", l.path, err)
	}
	header := l.row("NAMESPACE")
	for _, c := range table.ColumnDefinitions {
		if c.Priority == 0 {
			header = append(header, strings.ToUpper(c.Name))
		}
	}
	rows := [][]string{header}
	for i := range table.Rows {
		row, err := l.cells(&table, &table.Rows[i])
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// row begins a row with the namespace, where that has a column.
func (l listing) row(namespace string) []string {
	if l.namespace {
		return []string{namespace}
	}
	return nil
}

func (l listing) cells(table *metav1.Table, r *metav1.TableRow) ([]string, error) {
	var object metav1.PartialObjectMetadata
	if err := json.Unmarshal(r.Object.Raw, &object); err != nil {
		return nil, fmt.Errorf("row of %s: %w", l.path, err)
	}
	row := l.row(object.Namespace)
	for j, cell := range r.Cells {
		if table.ColumnDefinitions[j].Priority != 0 {
			continue
		}
		text := fmt.Sprint(cell)
		if j == 0 {
			text = l.prefix + text
		}
		row = append(row, text)
	}
	return row, nil
}

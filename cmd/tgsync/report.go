package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/provision"
	"github.com/tgsync/tgsync/syncer/rehearsal"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/syncer/webhook"
)

// How a report is printed.
const (
	outputText = "text"
	outputJSON = "json"
)

// report is what plan prints. In JSON every list is one, also an empty one.
type report struct {
	Cluster string        `json:"cluster"`
	Groups  []groupReport `json:"groups"` // of Ingresses
	// SecurityGroups are the backend group and the rules of pods and nodes, which all load
	// balancers share.
	SecurityGroups groupReport `json:"securityGroups"`
	LBC            lbcReport   `json:"lbc"`
}

// groupReport is what would be done for one Ingress group.
type groupReport struct {
	Name     string          `json:"name"`
	Changes  []changeReport  `json:"changes"`
	Problems []problemReport `json:"problems"`
	// Waits is what has to be finished before more follows; empty: that is all.
	Waits string `json:"waits,omitempty"`
	Error string `json:"error,omitempty"` // what would be refused
}

// changeReport is one change.
type changeReport struct {
	Sign rehearsal.Sign `json:"sign"`
	What string         `json:"what"`
}

// problemReport is what is wrong with an Ingress.
type problemReport struct {
	Ingress  string `json:"ingress,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Message  string `json:"message"`
	Blocking bool   `json:"blocking"` // what the Ingress asks for is not done
}

// lbcReport is what the cluster has of the AWS Load Balancer Controller.
type lbcReport struct {
	Lease    leaseReport   `json:"lease"`
	Webhooks webhook.Found `json:"webhooks"`
	Services []string      `json:"services"` // that it provisions for
	Gateways []string      `json:"gateways"` // the same
	Unknown  []string      `json:"unknown"`  // what could not be read, and why
}

// leaseReport is what its Lease says.
type leaseReport struct {
	Name  string `json:"name"`
	Live  bool   `json:"live"` // tgsync writes nothing as long as it is
	State string `json:"state"`
}

// newReport makes a report of what would be done.
func newReport(cluster string, outcomes []provision.Outcome, foreseen securitygroup.Foreseen) *report {
	r := &report{Cluster: cluster, Groups: []groupReport{}}
	for _, o := range outcomes {
		g := groupReport{Name: o.Group, Changes: changes(o.Steps), Problems: mapped(o.Problems, problem)}
		switch {
		case o.Waiting:
			g.Waits = named(o.Err.Error())
		case o.Err != nil:
			g.Error = named(o.Err.Error())
		}
		r.Groups = append(r.Groups, g)
	}
	r.SecurityGroups = groupReport{Changes: changes(foreseen.Steps), Problems: mapped(foreseen.Problems, func(text string) problemReport {
		return problemReport{Message: named(text)}
	})}
	return r
}

func changes(steps []string) []changeReport {
	return mapped(steps, func(step string) changeReport { return changeReport{rehearsal.SignOf(step), named(step)} })
}

func problem(p ingress.Problem) problemReport {
	return problemReport{Ingress: p.Ingress.String(), Reason: p.Reason, Message: p.Message, Blocking: p.Blocking}
}

// named names what exists in the rehearsal only as a person would.
func named(text string) string {
	return strings.ReplaceAll(text, rehearsal.SecurityGroup, "the new ")
}

// count returns how many changes have each sign, and whether something would fail.
func (r *report) count() (signs map[rehearsal.Sign]int, problems int, failed bool) {
	signs = map[rehearsal.Sign]int{}
	for _, g := range append(slices.Clip(r.Groups), r.SecurityGroups) {
		for _, c := range g.Changes {
			signs[c.Sign]++
		}
		problems += len(g.Problems)
		failed = failed || g.Error != ""
	}
	return signs, problems, failed
}

// exitCode is that of plan.
func (r *report) exitCode() int {
	signs, _, failed := r.count()
	switch {
	case failed:
		return exitError
	case len(signs) > 0:
		return exitChanges
	}
	return exitNothing
}

// print writes the report.
func (r *report) print(w io.Writer, output string) error {
	if output == outputJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err := io.WriteString(w, r.text())
	return err
}

// text is the report for a person.
func (r *report) text() string {
	var b strings.Builder
	for _, g := range r.Groups {
		b.WriteString(g.text("Ingress group " + g.Name))
	}
	b.WriteString(r.SecurityGroups.text("Security groups of pods and nodes"))
	b.WriteString(r.LBC.text())
	signs, problems, failed := r.count()
	if len(signs) == 0 && !failed {
		b.WriteString("Nothing to do in AWS")
	} else {
		fmt.Fprintf(&b, "To do in AWS: %d to create, %d to change, %d to delete", signs[rehearsal.Create], signs[rehearsal.Change], signs[rehearsal.Delete])
	}
	switch {
	case failed:
		b.WriteString(", and something would fail, see above")
	case problems > 0:
		fmt.Fprintf(&b, "; problems: %d, see above", problems)
	}
	return b.String() + ".\n"
}

// text is a group for a person; empty: there is nothing to be said.
func (g groupReport) text(title string) string {
	var b strings.Builder
	for _, c := range g.Changes {
		fmt.Fprintf(&b, "  %s %s\n", c.Sign, c.What)
	}
	for _, p := range g.Problems {
		words := []string{}
		for _, word := range []string{p.Ingress, p.Reason, p.Message} {
			if word != "" {
				words = append(words, word)
			}
		}
		fmt.Fprintf(&b, "  ! %s\n", strings.Join(words, ": "))
	}
	if g.Waits != "" {
		fmt.Fprintf(&b, "  . more follows later: %s\n", g.Waits)
	}
	for line := range strings.Lines(g.Error) {
		fmt.Fprintf(&b, "  ! would fail: %s\n", strings.TrimSpace(line))
	}
	if b.Len() == 0 {
		return ""
	}
	return title + "\n" + b.String() + "\n"
}

// text is what there is of LBC, for a person.
func (l lbcReport) text() string {
	var b strings.Builder
	b.WriteString("AWS Load Balancer Controller\n")
	if l.Lease.Name != "" {
		fmt.Fprintf(&b, "  Lease %s: %s\n", l.Lease.Name, l.Lease.State)
	}
	if command := l.Webhooks.Command(); command != "" {
		fmt.Fprintf(&b, "  its webhooks are asked before Ingresses are written; once it is gone: %s\n", command)
	}
	for _, orphan := range l.Services {
		fmt.Fprintf(&b, "  Service %s would have nobody to provision it\n", orphan)
	}
	for _, orphan := range l.Gateways {
		fmt.Fprintf(&b, "  Gateway %s would have nobody to provision it\n", orphan)
	}
	for _, u := range l.Unknown {
		fmt.Fprintf(&b, "  ? %s\n", u)
	}
	return b.String() + "\n"
}

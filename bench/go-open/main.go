// Opens BPF objects as cilium/ebpf does and prints one JSON object per file: the error, or what it found in it.
//
//	usage: go-open FILE...
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/cilium/ebpf"
)

type seen struct {
	File     string   `json:"file"`
	Error    string   `json:"error"`
	Programs []string `json:"programs"`
	Maps     []string `json:"maps"`
}

func open(path string) (result seen) {
	result.File = path
	// A panic of the library is an answer, too.
	defer func() {
		if why := recover(); why != nil {
			result.Error = fmt.Sprint("panic: ", why)
		}
	}()
	spec, err := ebpf.LoadCollectionSpec(path)
	if err != nil {
		result.Error = err.Error()
		return
	}
	for name, p := range spec.Programs {
		result.Programs = append(result.Programs,
			fmt.Sprint(name, " ", p.SectionName, " ", p.Type, " ", p.AttachType, " ", p.AttachTo, " ", p.License))
	}
	for name, m := range spec.Maps {
		result.Maps = append(result.Maps,
			fmt.Sprint(name, " ", m.Type, " ", m.KeySize, " ", m.ValueSize, " ", m.MaxEntries, " ", m.Flags, " ", len(m.Contents)))
	}
	sort.Strings(result.Programs)
	sort.Strings(result.Maps)
	return
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for _, path := range os.Args[1:] {
		if err := out.Encode(open(path)); err != nil {
			os.Exit(1)
		}
	}
}

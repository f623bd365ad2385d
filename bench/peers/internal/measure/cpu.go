package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of the times in /proc; Linux keeps it at 100 for every program.
const ticksPerSecond = 100

// CPU gives the CPU seconds used so far: of this program, and of each server with its children, living or ended.
func CPU(servers map[string]int) (map[string]float64, error) {
	own, err := stat(os.Getpid())
	if err != nil {
		return nil, err
	}
	used := map[string]float64{"peer": own.self}
	for name, pid := range servers {
		if used[name], err = tree(pid); err != nil {
			return nil, fmt.Errorf("CPU of %s: %w", name, err)
		}
	}
	return used, nil
}

type times struct {
	parent      int
	self, ended float64
}

// tree sums a process, its children, and those children that have ended. Postgres has no grandchildren.
func tree(pid int) (float64, error) {
	root, err := stat(pid)
	if err != nil {
		return 0, err
	}
	sum := root.self + root.ended
	files, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		child, _ := strconv.Atoi(filepath.Base(file))
		// One that ended since the list was made is in the parent's sum of the next look.
		if t, err := stat(child); err == nil && t.parent == pid {
			sum += t.self + t.ended
		}
	}
	return sum, nil
}

func stat(pid int) (times, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return times{}, err
	}
	// The program's name may hold blanks and brackets; the fields behind it are the state, the parent, …
	fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
	if len(fields) < 15 {
		return times{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	seconds := func(first int) float64 {
		user, _ := strconv.ParseFloat(fields[first], 64)
		system, _ := strconv.ParseFloat(fields[first+1], 64)
		return (user + system) / ticksPerSecond
	}
	parent, _ := strconv.Atoi(fields[1])
	return times{parent: parent, self: seconds(11), ended: seconds(13)}, nil
}

func load() float64 {
	var minute float64
	if line, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(line), &minute)
	}
	return minute
}

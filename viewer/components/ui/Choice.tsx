interface ChoiceProps {
  legend: string
  name: string
  value: string
  onChange: (value: string) => void
  options: { value: string; title: string; detail: string }[]
}

/** One of a few, each with a line that explains it. */
export function Choice({ legend, name, value, onChange, options }: ChoiceProps) {
  return (
    <fieldset>
      <legend className="mb-1.5 text-xs font-medium text-soft">{legend}</legend>
      <div className="max-h-60 space-y-1 overflow-y-auto">
        {options.map((option) => (
          <label
            key={option.value}
            className="flex cursor-pointer gap-2.5 rounded border border-line px-3 py-2 hover:bg-raised has-checked:border-accent/60 has-checked:bg-accent/8"
          >
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
              className="mt-1 size-3 shrink-0 accent-accent"
            />
            <span className="min-w-0">
              <span className="block font-medium wrap-anywhere">{option.title}</span>
              <span className="block text-xs text-soft">{option.detail}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
